#!/usr/bin/env bash
# Makes the files beside it: `private/FORM.*`, each a throw-away private key in a form that the world writes, and `public/*`,
# each what is rightly given. FORM is what the product must call it. Needs openssl, ssh-keygen, gpg, keytool and nk or nsc's seeds.
set -euo pipefail
cd "$(dirname "$0")"
rm -rf private public && mkdir private public
work=$(mktemp -d) && trap 'gpgconf --homedir "$work/gpg" --kill all; rm -rf "$work"' EXIT
o() { openssl "$@" 2>/dev/null; }

o genpkey -algorithm ed25519 -out "$work/ed.pem"
o genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/ec.pem"
o genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.pem"
o genpkey -algorithm X25519 -out "$work/x.pem"
o req -x509 -new -key "$work/ec.pem" -subj /CN=x -days 1 -out public/certificate.pem
o req -new -key "$work/ec.pem" -subj /CN=x -out public/request.pem

for kind in ed ec rsa x; do
    cp "$work/$kind.pem" private/Pkcs8.$kind.pem
    o pkcs8 -topk8 -nocrypt -in "$work/$kind.pem" -outform DER -out private/Pkcs8.$kind.der
    base64 -w64 private/Pkcs8.$kind.der >private/Pkcs8.$kind.base64
    o pkey -in "$work/$kind.pem" -pubout -out public/$kind.pem
    o pkey -in "$work/$kind.pem" -pubout -outform DER -out public/$kind.der
    base64 -w0 public/$kind.der >public/$kind.base64
done
base64 -w0 private/Pkcs8.ed.der | tr '+/' '-_' | tr -d = >private/Pkcs8.base64url
base64 -w0 "$work/ed.pem" | base64 -w0 >private/Pkcs8.twice.base64
base64 -w20 private/Pkcs8.rsa.der >private/Pkcs8.narrow.base64
xxd -p -c 1000 private/Pkcs8.ed.der >private/Pkcs8.hex
iconv -t UTF-16LE "$work/ed.pem" >private/Pkcs8.utf16le
iconv -t UTF-16 "$work/ed.pem" >private/Pkcs8.utf16bom
iconv -t UTF-16BE "$work/ec.pem" >private/Pkcs8.utf16be
{ echo 'Bag Attributes'; echo '    friendlyName: x'; cat public/certificate.pem "$work/ec.pem"; } >private/Pkcs8.behind-certificate.pem
sed 's/PRIVATE/PUBLIC/' "$work/ed.pem" >private/Pkcs8.mislabelled.pem
jq -cn --rawfile key "$work/rsa.pem" '{type: "service_account", private_key: $key}' >private/Pkcs8.account.json

o rsa -in "$work/rsa.pem" -traditional -out private/Pkcs1.pem
o rsa -in "$work/rsa.pem" -traditional -outform DER -out private/Pkcs1.der
o dsaparam -genkey 1024 -out "$work/dsa.pem" && o dsa -in "$work/dsa.pem" -outform DER -out private/Pkcs1.dsa.der
o rsa -in "$work/rsa.pem" -traditional -aes256 -passout pass:x -out private/Pkcs1.encrypted.pem
o rsa -in "$work/rsa.pem" -RSAPublicKey_out -outform DER -out public/pkcs1.der
o ec -in "$work/ec.pem" -out private/Sec1.pem
o ec -in "$work/ec.pem" -outform DER -out private/Sec1.der
o pkcs8 -topk8 -in "$work/ec.pem" -v2 aes-256-cbc -passout pass:x -out private/EncryptedPkcs8.pem
o pkcs8 -topk8 -in "$work/ec.pem" -v2 aes-256-cbc -passout pass:x -outform DER -out private/EncryptedPkcs8.der
o pkcs8 -topk8 -in "$work/ec.pem" -v1 PBE-SHA1-3DES -passout pass:x -outform DER -out private/EncryptedPkcs8.v1.der
o pkcs8 -topk8 -in "$work/ec.pem" -scrypt -passout pass:x -outform DER -out private/EncryptedPkcs8.scrypt.der
o pkcs12 -export -inkey "$work/ec.pem" -in public/certificate.pem -passout pass:x -out private/KeyStore.p12
base64 -w64 private/KeyStore.p12 >private/KeyStore.base64
keytool -genkeypair -alias x -keyalg EC -dname CN=x -storetype JKS -storepass changeit -keypass changeit -keystore private/KeyStore.jks 2>/dev/null
ssh-keygen -q -t ed25519 -N '' -C x -f "$work/ssh" && cp "$work/ssh" private/Ssh.pem
ssh-keygen -q -t ed25519 -N secret -C x -f "$work/ssh2" && cp "$work/ssh2" private/Ssh.encrypted.pem
sed '/^-/d' "$work/ssh" | base64 -d >private/Ssh.bin
cp "$work/ssh.pub" public/ssh.pub
printf 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\nAAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAA\nPrivate-Lines: 1\nAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n' >private/Ssh.ppk

mkdir -m 700 "$work/gpg"
g() { gpg --homedir "$work/gpg" --batch --quiet --passphrase '' "$@" 2>/dev/null; }
g --quick-generate-key 'x <x@example.org>' ed25519 cert 1y
g --quick-add-key "$(g --list-keys --with-colons | sed -n 's/^fpr:*\(.*\):$/\1/p' | head -1)" cv25519 encr 1y
g --export-secret-keys >private/Openpgp.bin
g --armor --export-secret-keys >private/Openpgp.asc
g --export-secret-subkeys >private/Openpgp.subkeys.bin
base64 -w0 private/Openpgp.bin >private/Openpgp.base64
g --export >public/openpgp.bin && g --armor --export >public/openpgp.asc
cat public/openpgp.bin private/Openpgp.bin >private/Openpgp.behind.bin
cp "$(ls "$work"/gpg/private-keys-v1.d/*.key | head -1)" private/Openpgp.agent.key

cat >private/Jwk.json <<'JWK'
{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}
JWK
cat >public/jwk.json <<'JWK'
{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
JWK
# Of the documents of nkeys and age: known to everybody.
echo SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY >private/Seed.txt
echo 'user seed (SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY), as nk wrote it' >private/Seed.within.txt
echo UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 >public/nkey.txt
printf -- '-----BEGIN USER NKEY SEED-----\nSUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n------END USER NKEY SEED------\n' >private/Seed.creds
echo AGE-SECRET-KEY-1QYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQS0GLF3P >private/Age.txt
printf 'the PRIVATE KEY of orders lies in safe 4, says bafkr4ibpdgzdp3zuhiknhxdz4f4rysatutowxvywsfgmbyfbkyvc3snbjm' >public/a-reason.txt
echo '{"format":"keyledger-sealed","version":1,"kind":"authority_key","public":{"algorithm":"p-384","public_key":"MHYw"},"sealed":"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"}' >private/Keyledger.json
