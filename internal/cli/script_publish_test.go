package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pinnace-dev/pinnace/localaws"
)

// object BUCKET KEY: prints what the script's S3 keeps with an object.
func object(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: object BUCKET KEY")
	}
	server := ts.Value(serverKey{}).(*localaws.Server)
	id, key := server.RootKeys()
	client := s3.New(s3.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	head, err := client.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: &args[0], Key: &args[1]})
	ts.Check(err)
	out, err := client.GetObjectTagging(context.Background(), &s3.GetObjectTaggingInput{Bucket: &args[0], Key: &args[1]})
	ts.Check(err)
	var tags []string
	for _, tag := range out.TagSet {
		tags = append(tags, *tag.Key+"="+*tag.Value)
	}
	slices.Sort(tags)
	fmt.Fprintf(ts.Stdout(), "content-type: %s\ncache-control: %s\nencryption: %s %s %t\ntags: %s\n",
		aws.ToString(head.ContentType), aws.ToString(head.CacheControl), head.ServerSideEncryption,
		aws.ToString(head.SSEKMSKeyId), aws.ToBool(head.BucketKeyEnabled), strings.Join(tags, " "))
}

// kmsKey ALIAS VARIABLE: makes a key of that alias and puts its ARN into the environment.
func kmsKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: kmskey ALIAS VARIABLE")
	}
	server := ts.Value(serverKey{}).(*localaws.Server)
	id, key := server.RootKeys()
	client := kms.New(kms.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	made, err := client.CreateKey(context.Background(), nil)
	ts.Check(err)
	_, err = client.CreateAlias(context.Background(), &kms.CreateAliasInput{
		AliasName: &args[0], TargetKeyId: made.KeyMetadata.KeyId,
	})
	ts.Check(err)
	ts.Setenv(args[1], *made.KeyMetadata.Arn)
}

// denied makes calls fail as for whoever lacks a permission.
func denied(action string, times int) localaws.Fault {
	return localaws.Fault{Action: action, Times: times, Status: http.StatusForbidden, Code: "AccessDenied"}
}

// keyring NAME PRIVATE PUBLIC [PASSPHRASE]: makes a key and writes it to two files.
func keyring(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: keyring NAME PRIVATE PUBLIC [PASSPHRASE]")
	}
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	key, err := openpgp.NewEntity(args[0], "", "release@example.com", config)
	ts.Check(err)
	var private, public bytes.Buffer
	ts.Check(key.Serialize(&public))
	if len(args) == 4 {
		ts.Check(key.EncryptPrivateKeys([]byte(args[3]), config))
	}
	ts.Check(key.SerializePrivateWithoutSigning(&private, config))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), private.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), public.Bytes(), 0o600))
}
