package localaws_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/pinnace-dev/pinnace/localaws"
)

// podTrust lets EKS give a role to pods.
const podTrust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],` +
	`"Principal":{"Service":"pods.eks.amazonaws.com"}%s}}`

// node is a server with one cluster, whose service account otel/agent has the role otel.
type node struct {
	*testing.T
	server  *localaws.Server
	cluster *localaws.Issuer
	root    aws.Config
	now     time.Time
	role    localaws.PodIdentityAssociation
}

func newNode(t *testing.T, trust string) *node {
	t.Helper()
	n := &node{T: t, now: time.Now()}
	clock := func() time.Time { return n.now }
	var err error
	if n.cluster, err = localaws.StartIssuer(clock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.cluster.Close() })
	if n.server, err = localaws.Start(localaws.Config{Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.server.Close() })
	id, key := n.server.RootKeys()
	n.root = n.config(awscredentials.NewStaticCredentialsProvider(id, key, ""))
	n.role = localaws.PodIdentityAssociation{
		Cluster: "prod", Issuer: n.cluster.URL(), Namespace: "otel", ServiceAccount: "agent",
		RoleARN: n.createRole("otel", trust),
	}
	if err := n.server.AssociatePodIdentity(n.role); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) config(provider aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region: n.server.Region(), BaseEndpoint: aws.String(n.server.URL()), Credentials: provider, RetryMaxAttempts: 1,
	}
}

func (n *node) createRole(name, trust string) string {
	n.Helper()
	out, err := iam.NewFromConfig(n.root).CreateRole(n.Context(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: &trust,
	})
	if err != nil {
		n.Fatal(err)
	}
	return *out.Role.Arn
}

func (n *node) permit(role, document string) {
	n.Helper()
	_, err := iam.NewFromConfig(n.root).PutRolePolicy(n.Context(), &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: aws.String("inline"), PolicyDocument: &document,
	})
	if err != nil {
		n.Fatal(err)
	}
}

func (n *node) token() string {
	n.Helper()
	token, err := n.cluster.PodIdentityToken("otel", "agent", "agent-x7k2p")
	if err != nil {
		n.Fatal(err)
	}
	return token
}

// sign makes a token with other claims than the kubelet's.
func (n *node) sign(subject, audience string, ttl time.Duration, changes map[string]any) string {
	n.Helper()
	claims := map[string]any{"kubernetes.io": map[string]any{
		"namespace": "otel", "serviceaccount": map[string]string{"name": "agent"},
		"pod": map[string]string{"name": "agent-x7k2p", "uid": "1"},
	}}
	maps.Copy(claims, changes)
	token, err := n.cluster.Token(subject, audience, ttl, claims)
	if err != nil {
		n.Fatal(err)
	}
	return token
}

// ask is one request as a pod makes it.
func (n *node) ask(token string) (status int, header http.Header, body string) {
	n.Helper()
	request, err := http.NewRequestWithContext(n.Context(), http.MethodGet, n.server.PodIdentityURL(), nil)
	if err != nil {
		n.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		n.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		n.Fatal(err)
	}
	return response.StatusCode, response.Header, string(data)
}

// The SDK's own client takes the answer, and the session is what EKS would make.
func TestPodIdentityGivesASession(t *testing.T) {
	n := newNode(t, fmt.Sprintf(podTrust, ""))
	cfg := n.config(endpointcreds.New(n.server.PodIdentityURL(), func(o *endpointcreds.Options) {
		o.AuthorizationToken = n.token()
	}))
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`:assumed-role/otel/eks-prod-agent-x7k2p-[a-z0-9]+$`).MatchString(*who.Arn) {
		t.Errorf("the session is %s", *who.Arn)
	}
	c, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || !c.CanExpire || c.Expires.Sub(n.now).Round(time.Minute) != 6*time.Hour || c.AccountID != n.server.Account() {
		t.Errorf("until %v, account %s, %v", c.Expires, c.AccountID, err)
	}
	if calls := n.server.Calls()["eks-auth:AssumeRoleForPodIdentity"]; calls != 2 {
		t.Errorf("%d calls are counted", calls)
	}
	status, header, body := n.ask(n.token())
	var answer map[string]string
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || len(answer) != 5 ||
		header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d, %v, %d fields, %v", status, header, len(answer), err)
	}
}

func TestPodIdentityRefusals(t *testing.T) {
	const account = "system:serviceaccount:otel:agent"
	const audience = "pods.eks.amazonaws.com"
	const untrusted = "(AccessDeniedException): Unauthorized Exception!"
	tests := []struct {
		name   string
		trust  string // of the role; that of the documentation when empty
		token  func(n *node) string
		before func(n *node)
		status int
		text   string
	}{
		{name: "good", status: 200, text: `"AccessKeyId":"ASIA`},
		{name: "no token", token: func(*node) string { return "" }, status: 400, text: "cannot be empty"},
		{name: "garbage", token: func(*node) string { return "garbage" }, status: 400, text: "cannot be parsed"},
		{name: "bearer", token: func(n *node) string { return "Bearer " + n.token() }, status: 400, text: "cannot be parsed"},
		{name: "expired", token: func(n *node) string { return n.sign(account, audience, -time.Second, nil) }, status: 400, text: "token is expired"},
		{name: "from the future", token: func(n *node) string {
			return n.sign(account, audience, time.Hour, map[string]any{"nbf": n.now.Add(time.Minute).Unix()})
		}, status: 400, text: "not valid yet"},
		{
			name: "for STS", token: func(n *node) string { return n.sign(account, "sts.amazonaws.com", time.Hour, nil) },
			status: 400, text: "(InvalidTokenException): The audience",
		},
		{name: "of no pod", token: func(n *node) string {
			token, _ := n.cluster.Token(account, audience, time.Hour, nil)
			return token
		}, status: 400, text: "(InvalidTokenException): The token is not bound to a pod"},
		{name: "of another than it says", token: func(n *node) string {
			return n.sign("system:serviceaccount:otel:other", audience, time.Hour, nil)
		}, status: 400, text: "(InvalidTokenException)"},
		{name: "of another cluster", token: func(n *node) string {
			other, err := localaws.StartIssuer(nil)
			if err != nil {
				n.Fatal(err)
			}
			defer other.Close()
			token, _ := other.PodIdentityToken("otel", "agent", "x")
			return token
		}, status: 400, text: "(InvalidTokenException): The token was not issued by a cluster"},
		{name: "signed by another", token: func(n *node) string {
			other, err := localaws.StartIssuer(nil)
			if err != nil {
				n.Fatal(err)
			}
			defer other.Close()
			token, _ := other.Token(account, audience, time.Hour, map[string]any{"iss": n.cluster.URL()})
			return token
		}, status: 400, text: "(InvalidTokenException): The signature"},
		{name: "another service account", token: func(n *node) string {
			token, _ := n.cluster.PodIdentityToken("otel", "other", "x")
			return token
		}, status: 404, text: "(ResourceNotFoundException): No association found for service account other"},
		{name: "another namespace", token: func(n *node) string {
			token, _ := n.cluster.PodIdentityToken("default", "agent", "x")
			return token
		}, status: 404, text: "(ResourceNotFoundException)"},
		{
			name: "dissociated", before: func(n *node) {
				other := n.role
				other.ServiceAccount = "other"
				if err := n.server.AssociatePodIdentity(other); err != nil {
					n.Fatal(err)
				}
				n.server.DissociatePodIdentity(n.role)
			}, status: 404, text: "(ResourceNotFoundException)",
		},
		{name: "no such role", before: func(n *node) {
			n.role.RoleARN += "2"
			if err := n.server.AssociatePodIdentity(n.role); err != nil {
				n.Fatal(err)
			}
		}, status: 400, text: untrusted},
		{
			name: "no TagSession", trust: strings.Replace(fmt.Sprintf(podTrust, ""), `,"sts:TagSession"`, "", 1),
			status: 400, text: untrusted,
		},
		{
			name: "another service", trust: strings.Replace(fmt.Sprintf(podTrust, ""), "pods.eks", "appconfig", 1),
			status: 400, text: untrusted,
		},
		{
			name: "condition that fits", trust: fmt.Sprintf(podTrust, `,"Condition":{"StringEquals":{`+
				`"aws:RequestTag/kubernetes-namespace":"otel","aws:RequestTag/eks-cluster-name":"prod",`+
				`"aws:SourceAccount":"123456789012"},"ArnEquals":{"aws:SourceArn":"arn:aws:eks:eu-west-1:123456789012:cluster/prod"}}`),
			status: 200, text: `"Token"`,
		},
		{name: "condition that does not", trust: fmt.Sprintf(podTrust,
			`,"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"other"}}`), status: 400, text: untrusted},
		{name: "issuer down", before: func(n *node) { _ = n.cluster.Close() }, status: 503, text: "(ServiceUnavailableException)"},
		{name: "throttled", before: func(n *node) {
			n.server.Inject(localaws.Throttle("eks-auth:*", 1))
		}, status: 429, text: "(ThrottlingException): Rate exceeded, fault: client"},
		{name: "out of order", before: func(n *node) {
			n.server.Inject(localaws.Unavailable("eks-auth:*", 1))
		}, status: 500, text: "(InternalServerException): An internal error occurred., fault: server"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.trust == "" {
				test.trust = fmt.Sprintf(podTrust, "")
			}
			n := newNode(t, test.trust)
			if test.token == nil {
				test.token = (*node).token
			}
			token := test.token(n)
			if test.before != nil {
				test.before(n)
			}
			status, _, body := n.ask(token)
			if status != test.status || !strings.Contains(body, test.text) {
				t.Errorf("status %d, %q; want %d, %q", status, body, test.status, test.text)
			}
			if signature := token[strings.LastIndexByte(token, '.')+1:]; len(signature) > 20 && strings.Contains(body, signature) {
				t.Errorf("the token comes back: %q", body)
			}
		})
	}
}

// Policies may ask for the tags that EKS sets, and sessions that the pod assumes have them too, if the role lets them.
func TestPodIdentityTagsGoOn(t *testing.T) {
	n := newNode(t, fmt.Sprintf(podTrust, ""))
	const read = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:CreateSecret",` +
		`"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/kubernetes-service-account":"%s"}}}}`
	names := func(actions string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + actions +
			`,"Principal":{"AWS":"` + n.role.RoleARN + `"}}}`
	}
	shared := n.createRole("shared", names(`["sts:AssumeRole","sts:TagSession"]`))
	closed := n.createRole("closed", names(`"sts:AssumeRole"`))
	pod := n.config(endpointcreds.New(n.server.PodIdentityURL(), func(o *endpointcreds.Options) {
		o.AuthorizationToken = n.token()
	}))
	create := func(cfg aws.Config, name string) error {
		_, err := secretsmanager.NewFromConfig(cfg).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: &name, SecretString: aws.String("not-a-real-key"),
		})
		return err
	}
	assume := func(role string) (aws.Config, error) {
		out, err := sts.NewFromConfig(pod).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: &role, RoleSessionName: aws.String("pod"),
		})
		if err != nil {
			return aws.Config{}, err
		}
		return n.config(awscredentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId,
			*out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)), nil
	}

	for _, role := range []string{"otel", "shared"} {
		cfg := pod
		if role == "shared" {
			var err error
			if cfg, err = assume(shared); err != nil {
				t.Fatal(err)
			}
		}
		n.permit(role, fmt.Sprintf(read, "other"))
		if err := create(cfg, role); err == nil {
			t.Errorf("%s: allowed with the tag of another service account", role)
		}
		n.permit(role, fmt.Sprintf(read, "agent"))
		if err := create(cfg, role); err != nil {
			t.Errorf("%s: refused with its own tag: %v", role, err)
		}
	}
	if _, err := assume(closed); err == nil || !strings.Contains(err.Error(), "sts:TagSession") {
		t.Errorf("a role that does not take tags: %v", err)
	}
	_, err := sts.NewFromConfig(pod).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: &shared, RoleSessionName: aws.String("pod"), Tags: []types.Tag{{Key: aws.String("Kubernetes-Namespace"), Value: aws.String("other")}},
	})
	if err == nil || !strings.Contains(err.Error(), "InvalidParameterValue") {
		t.Errorf("an inherited tag was set anew: %v", err)
	}
}

func TestAssociationsAreChecked(t *testing.T) {
	n := newNode(t, fmt.Sprintf(podTrust, ""))
	for name, change := range map[string]func(*localaws.PodIdentityAssociation){
		"no cluster":         func(a *localaws.PodIdentityAssociation) { a.Cluster = "" },
		"no namespace":       func(a *localaws.PodIdentityAssociation) { a.Namespace = "" },
		"no service account": func(a *localaws.PodIdentityAssociation) { a.ServiceAccount = "" },
		"no role":            func(a *localaws.PodIdentityAssociation) { a.RoleARN = "" },
		"no issuer":          func(a *localaws.PodIdentityAssociation) { a.Issuer = "" },
		"issuer in clear":    func(a *localaws.PodIdentityAssociation) { a.Issuer = "http://issuer.example" },
	} {
		a := n.role
		change(&a)
		if err := n.server.AssociatePodIdentity(a); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
