package main

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

func generate(dir string) {
	operator := must(nkeys.CreateOperator())
	signing := must(nkeys.CreateOperator())
	system := must(nkeys.CreateAccount())
	account := must(nkeys.CreateAccount())
	plain := must(nkeys.CreateAccount())
	scoped := must(nkeys.CreateAccount())
	exporter := must(nkeys.CreateAccount())
	user := must(nkeys.CreateUser())
	curve := must(nkeys.CreateCurveKeys())

	// Operators
	oc := jwt.NewOperatorClaims(public(operator))
	oc.Name = "least"
	write(dir, "operator-least", must(oc.Encode(operator)))
	oc.Name = "O & <co>"
	oc.Audience = "everyone"
	oc.Expires = 4102444800
	oc.NotBefore = 1000000000
	oc.SigningKeys.Add(public(signing))
	oc.AccountServerURL = "nats://localhost:4222"
	oc.OperatorServiceURLs.Add("nats://localhost:4222", "wss://example.org:443")
	oc.SystemAccount = public(system)
	oc.AssertServerVersion = "2.10.0"
	oc.StrictSigningKeyUsage = true
	oc.Tags.Add("env:prod", "b")
	write(dir, "operator-full", must(oc.Encode(operator)))

	// Accounts
	ac := jwt.NewAccountClaims(public(account))
	ac.Name = "least"
	write(dir, "account-least", must(ac.Encode(signing)))

	activation := jwt.NewActivationClaims(public(account))
	activation.ImportSubject = "private.>"
	activation.ImportType = jwt.Stream
	token := must(activation.Encode(exporter))
	write(dir, "activation-identity", token)
	signed := jwt.NewActivationClaims(public(account))
	signed.ImportSubject = "orders.*"
	signed.ImportType = jwt.Service
	signed.IssuerAccount = public(exporter)
	signed.Tags.Add("x")
	write(dir, "activation-signing-key", must(signed.Encode(plain)))

	write(dir, "account-full", must(fullAccount(account, plain, scoped, exporter, user, curve, token).Encode(signing)))

	tiered := jwt.NewAccountClaims(public(account))
	tiered.Limits.JetStreamTieredLimits = jwt.JetStreamTieredLimits{
		"R3": {MemoryStorage: 1024, DiskStorage: -1, Streams: 5, Consumer: 7, MaxAckPending: 9,
			MemoryMaxStreamBytes: 11, DiskMaxStreamBytes: 13, MaxBytesRequired: true},
		"R1": {DiskStorage: 2048},
	}
	write(dir, "account-tiered", must(tiered.Encode(operator)))

	self := jwt.NewAccountClaims(public(account))
	self.Limits = jwt.OperatorLimits{}
	write(dir, "account-self-signed", must(self.Encode(account)))

	// Users
	uc := jwt.NewUserClaims(public(user))
	uc.Name = "least"
	write(dir, "user-least", must(uc.Encode(account)))
	uc.Name = "all \u2028 é \" \\ \t \b \u007f"
	uc.IssuerAccount = public(account)
	uc.Expires = 4102444800
	uc.Pub.Allow.Add("a.>", "b.*.c")
	uc.Pub.Deny.Add("a.secret")
	uc.Sub.Allow.Add("_INBOX.>", "work.* queue")
	uc.Sub.Deny.Add(">")
	uc.Resp = &jwt.ResponsePermission{MaxMsgs: 3, Expires: time.Second}
	uc.NatsLimits = jwt.NatsLimits{Subs: 10, Data: 1 << 40, Payload: 4096}
	uc.Src.Add("10.0.0.0/8", "fd00::/8")
	uc.Times = []jwt.TimeRange{{Start: "08:00:00", End: "18:30:00"}}
	uc.Locale = "Europe/Berlin"
	uc.BearerToken = true
	uc.ProxyRequired = true
	uc.AllowedConnectionTypes.Add(jwt.ConnectionTypeStandard, jwt.ConnectionTypeMqtt)
	uc.Tags.Add("team:red")
	write(dir, "user-full", must(uc.Encode(plain)))
	write(dir, "user-scoped", must(jwt.IssueUserJWT(scoped, public(account), public(user), "scoped", time.Hour, "tag:1")))

	// Generic, as `nsc delete account` makes it
	gc := jwt.NewGenericClaims(public(signing))
	gc.Data["accounts"] = []string{public(account)}
	gc.Data["zone"] = map[string]any{"b": 1, "a": []any{nil, true, 1.5}}
	write(dir, "generic-delete", must(gc.Encode(signing)))

	odd(dir, operator, account, user, scoped)
}

func fullAccount(account, plain, scoped, exporter, user, curve nkeys.KeyPair, token string) *jwt.AccountClaims {
	ac := jwt.NewAccountClaims(public(account))
	ac.Name = "full"
	ac.Limits = jwt.OperatorLimits{
		NatsLimits:    jwt.NatsLimits{Subs: 1, Data: 2, Payload: 3},
		AccountLimits: jwt.AccountLimits{Imports: 4, Exports: 5, WildcardExports: true, DisallowBearer: true, Conn: 6, LeafNodeConn: 7},
		JetStreamLimits: jwt.JetStreamLimits{MemoryStorage: 8, DiskStorage: 9, Streams: 10, Consumer: 11, MaxAckPending: 12,
			MemoryMaxStreamBytes: 13, DiskMaxStreamBytes: 14, MaxBytesRequired: true},
	}
	ac.Exports.Add(
		&jwt.Export{Name: "stream", Subject: "z.>", Type: jwt.Stream, TokenReq: true, Advertise: true,
			Revocations: jwt.RevocationList{public(exporter): 1700000000, jwt.All: 1600000000},
			Info:        jwt.Info{Description: "the <stream>", InfoURL: "https://example.org/?a=1&b=2"}},
		&jwt.Export{Name: "service", Subject: "a.*.x", Type: jwt.Service, ResponseType: jwt.ResponseTypeChunked,
			ResponseThreshold: 5 * time.Second, AccountTokenPosition: 2, AllowTrace: true,
			Latency: &jwt.ServiceLatency{Sampling: 50, Results: "latency.a"}},
		&jwt.Export{Name: "headers", Subject: "b", Type: jwt.Service, ResponseType: jwt.ResponseTypeSingleton,
			Latency: &jwt.ServiceLatency{Sampling: jwt.Headers, Results: "latency.b"}},
	)
	ac.Imports.Add(
		&jwt.Import{Name: "stream", Subject: "private.>", Account: public(exporter), Token: token,
			LocalSubject: "theirs.>", Type: jwt.Stream, AllowTrace: true},
		&jwt.Import{Name: "service", Subject: "ask.*", Account: public(exporter), LocalSubject: "question.$1",
			Type: jwt.Service, Share: true},
	)
	ac.SigningKeys.Add(public(plain))
	scope := jwt.NewUserScope()
	scope.Key = public(scoped)
	scope.Role = "reader"
	scope.Description = "reads > writes"
	scope.Template.Pub.Allow.Add("{{tag(team)}}.>")
	scope.Template.Sub.Allow.Add("{{subject()}}.>")
	scope.Template.Payload = 1024
	scope.Template.AllowedConnectionTypes.Add(jwt.ConnectionTypeWebsocket)
	ac.SigningKeys.AddScopedSigner(scope)
	ac.Revocations = jwt.RevocationList{public(user): 1700000000, jwt.All: 1500000000}
	ac.DefaultPermissions.Pub.Deny.Add("$SYS.>")
	ac.DefaultPermissions.Resp = &jwt.ResponsePermission{MaxMsgs: 1}
	ac.Mappings = jwt.Mapping{"old.>": {{Subject: "new.>", Weight: 60}, {Subject: "newer.>", Weight: 40}, {Subject: "far.>", Cluster: "east"}}}
	ac.Authorization.AuthUsers.Add(public(user))
	ac.Authorization.AllowedAccounts.Add(jwt.AnyAccount)
	ac.Authorization.XKey = public(curve)
	ac.Trace = &jwt.MsgTrace{Destination: "trace.to", Sampling: 25}
	ac.ClusterTraffic = jwt.ClusterTrafficOwner
	ac.Description = "everything"
	ac.InfoURL = "https://example.org"
	ac.Tags.Add("one", "two")
	return ac
}

// odd writes tokens that Go reads but would not write.
func odd(dir string, operator, account, user, scoped nkeys.KeyPair) {
	envelope := func(sub string, issuer nkeys.KeyPair, nats string) string {
		return `{"iat":1700000000,"iss":"` + public(issuer) + `","sub":"` + sub + `","nats":` + nats + `}`
	}
	write(dir, "odd-account-nulls", sign(operator, envelope(public(account), operator,
		`{"imports":null,"limits":{"subs":null,"conn":-1,"tiered_limits":null},"signing_keys":null,"revocations":null,`+
			`"default_permissions":{"pub":null,"resp":null},"mappings":null,"authorization":null,"trace":null,"tags":null,`+
			`"description":null,"type":"account","version":2}`)))
	write(dir, "odd-account-template", sign(operator, envelope(public(account), operator,
		`{"signing_keys":[{"kind":"user_scope","key":"`+public(scoped)+`","role":"r","template":{"pub":{"allow":["x"]},"data":0}}],`+
			`"type":"account","version":2}`)))
	write(dir, "odd-user-networks", sign(account, envelope(public(user), account,
		`{"src":"10.0.0.0/8, FD00::/8,,10.0.0.0/8","bearer_token":null,"resp":{"max":1},"type":"user","version":2}`)))
	write(dir, "odd-user-unknown", sign(account, envelope(public(user), account,
		`{"future":{"a":[1,null]},"subs":-1,"pub":{"rate":5},"type":"user","version":2}`)))
}

// sign makes a token of claims that are given as text.
func sign(pair nkeys.KeyPair, claims string) string {
	if !json.Valid([]byte(claims)) {
		panic(claims)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + encode([]byte(claims))
	return text + "." + encode(must(pair.Sign([]byte(text))))
}
