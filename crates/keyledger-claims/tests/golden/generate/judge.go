package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// judge decodes every token in dir with Go, validates it, and writes it anew: the bytes should be the same.
func judge(dir string) {
	failed := false
	for _, path := range must(filepath.Glob(filepath.Join(dir, "*.jwt"))) {
		name := filepath.Base(path)
		token := strings.TrimSpace(string(must(os.ReadFile(path))))
		claims, err := decode(name, token)
		if err != nil {
			failed = true
			log.Printf("%s: REFUSED: %v", name, err)
			continue
		}
		results := jwt.CreateValidationResults()
		claims.Validate(results)
		for _, issue := range results.Issues {
			if issue.Blocking {
				failed = true
			}
			log.Printf("%s: %v", name, issue.Description)
		}
		if user, ok := claims.(*jwt.UserClaims); ok && strings.Contains(name, "scoped") && !user.HasEmptyPermissions() {
			failed = true
			log.Printf("%s: a scoped user with permissions of its own", name)
		}
		ours := must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]))
		theirs := must(json.Marshal(claims))
		switch {
		case bytes.Equal(ours, theirs):
			log.Printf("%s: %s, same bytes", name, claims.ClaimType())
		default:
			log.Printf("%s: %s, other bytes\n  ours %s\n  Go's %s", name, claims.ClaimType(), ours, theirs)
		}
	}
	for _, path := range must(filepath.Glob(filepath.Join(dir, "*.creds"))) {
		ours := must(os.ReadFile(path))
		pair := must(jwt.ParseDecoratedUserNKey(ours))
		theirs := must(jwt.FormatUserConfig(must(jwt.ParseDecoratedJWT(ours)), must(pair.Seed())))
		same := bytes.Equal(ours, theirs)
		failed = failed || !same
		log.Printf("%s: same bytes: %v", filepath.Base(path), same)
	}
	if failed {
		os.Exit(1)
	}
}
