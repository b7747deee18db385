// Writes the golden tokens with the Go library that nats-server uses.
//
//	go run . generate ../data    writes NAME.jwt, and NAME.json: what Go reads in it
//	go run . judge DIR           lets Go decode, validate and rewrite the tokens in DIR
//
// Keys are made anew each time and thrown away: no seed is stored.
package main

import (
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: generate DIR | judge DIR")
	}
	switch os.Args[1] {
	case "generate":
		generate(os.Args[2])
	case "judge":
		judge(os.Args[2])
	default:
		log.Fatalf("unknown command %q", os.Args[1])
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func public(pair nkeys.KeyPair) string {
	return must(pair.PublicKey())
}

// decode reads a token; jwt.Decode takes generic claims for version 1 and refuses their signature.
func decode(name, token string) (jwt.Claims, error) {
	if strings.HasPrefix(name, "generic") {
		return jwt.DecodeGeneric(token)
	}
	return jwt.Decode(token)
}

// write stores a token, and the claims that Go reads in it.
func write(dir, name, token string) {
	claims := must(decode(name, token))
	if err := os.WriteFile(filepath.Join(dir, name+".jwt"), []byte(token+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	text := must(json.MarshalIndent(claims, "", "  "))
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o644); err != nil {
		log.Fatal(err)
	}
}
