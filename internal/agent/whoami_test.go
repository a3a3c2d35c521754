package agent_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/pinnace-dev/pinnace/localaws"
)

// A person sees whether a role of an item can be assumed before an item asks for it.
func TestWhoAmIWithARole(t *testing.T) {
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	id, key := server.RootKeys()
	client := iam.New(iam.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` +
		server.Account() + `"},"Condition":{"StringEquals":{"sts:ExternalId":"e-1"}}}}`
	out, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("keys"), AssumeRolePolicyDocument: &trust,
	})
	if err != nil {
		t.Fatal(err)
	}
	env := environment(map[string]string{
		"AWS_ENDPOINT_URL": server.URL(), "AWS_REGION": server.Region(), "AWS_ACCESS_KEY_ID": id,
		"AWS_SECRET_ACCESS_KEY": key, "HOSTNAME": "pod-1",
	})
	args := []string{"whoami", "--allow-static-credentials", "--role", *out.Role.Arn}

	code, stdout, stderr := run(t.Context(), env, append(args, "--external-id=e-1")...)
	for _, want := range []string{
		"arn     arn:aws:sts::" + server.Account() + ":assumed-role/keys/pod-1\n", "role    " + *out.Role.Arn + "\n",
		"from    the user of the static keys\n", "by      static keys\n",
	} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, %q, %q; want %q", code, stdout, stderr, want)
		}
	}
	code, stdout, stderr = run(t.Context(), env, args...)
	if code != 5 || stdout != "" || !strings.Contains(stderr, "if it asks for sts:ExternalId, give the external id") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	if strings.Contains(stderr, key) {
		t.Error("the key shows")
	}
}
