package localaws_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestAssociationsByEKS makes an association as Terraform does, and asks for its credentials as a pod does.
func TestAssociationsByEKS(t *testing.T) {
	n := newNode(t, fmt.Sprintf(podTrust, ""))
	n.server.DissociatePodIdentity(n.role)
	client, cluster := eks.NewFromConfig(n.root), aws.String("prod")
	in := &eks.CreatePodIdentityAssociationInput{
		ClusterName: cluster, Namespace: aws.String("otel"), ServiceAccount: aws.String("agent"), RoleArn: &n.role.RoleARN,
		Tags: map[string]string{"env": "uat"},
	}
	made, err := client.CreatePodIdentityAssociation(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	id := made.Association.AssociationId
	if _, err = client.CreatePodIdentityAssociation(t.Context(), in); code(err) != "ResourceInUseException" {
		t.Errorf("a second association: %v", err)
	}
	if status, _, body := n.ask(n.token()); status != http.StatusOK {
		t.Errorf("the pod got %d %s", status, body)
	}
	described, err := client.DescribePodIdentityAssociation(t.Context(), &eks.DescribePodIdentityAssociationInput{
		ClusterName: cluster, AssociationId: id,
	})
	if err != nil || *described.Association.RoleArn != n.role.RoleARN || described.Association.Tags["env"] != "uat" ||
		!described.Association.CreatedAt.Before(n.now.AddDate(0, 0, 1)) {
		t.Errorf("%+v, %v", described, err)
	}
	list, err := client.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{
		ClusterName: cluster, ServiceAccount: aws.String("agent"),
	})
	if err != nil || len(list.Associations) != 1 || *list.Associations[0].AssociationId != *id {
		t.Errorf("%+v, %v", list, err)
	}
	none, err := client.ListPodIdentityAssociations(t.Context(), &eks.ListPodIdentityAssociationsInput{
		ClusterName: cluster, Namespace: aws.String("other"),
	})
	if err != nil || len(none.Associations) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	n.retag(client, made.Association.AssociationArn)
	_, err = client.DeletePodIdentityAssociation(t.Context(), &eks.DeletePodIdentityAssociationInput{
		ClusterName: cluster, AssociationId: id,
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := n.ask(n.token()); status != http.StatusNotFound {
		t.Errorf("after the deletion the pod got %d", status)
	}
}

func (n *node) retag(client *eks.Client, arn *string) {
	n.Helper()
	_, err := client.TagResource(n.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "b"}})
	if err == nil {
		_, err = client.UntagResource(n.Context(), &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"env"}})
	}
	if err != nil {
		n.Fatal(err)
	}
	tags, err := client.ListTagsForResource(n.Context(), &eks.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || len(tags.Tags) != 1 || tags.Tags["a"] != "b" {
		n.Errorf("%+v, %v", tags, err)
	}
}

// TestRegisteredCluster registers a cluster after its association was made: Terraform runs before there is an issuer.
func TestRegisteredCluster(t *testing.T) {
	n := newNode(t, fmt.Sprintf(podTrust, ""))
	_, err := eks.NewFromConfig(n.root).CreatePodIdentityAssociation(t.Context(), &eks.CreatePodIdentityAssociationInput{
		ClusterName: aws.String("uat"), Namespace: aws.String("default"), ServiceAccount: aws.String("agent"),
		RoleArn: &n.role.RoleARN,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := n.cluster.PodIdentityToken("default", "agent", "x")
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := n.ask(token); status != http.StatusNotFound {
		t.Errorf("another cluster's association gave %d", status)
	}
	if err := n.server.RegisterCluster("uat", n.cluster.URL()); err == nil {
		t.Error("two clusters have one issuer")
	}
	if err := n.server.RegisterCluster("prod", "https://issuer.example"); err != nil {
		t.Fatal(err)
	}
	if err := n.server.RegisterCluster("uat", n.cluster.URL()); err != nil {
		t.Fatal(err)
	}
	if status, _, body := n.ask(token); status != http.StatusOK {
		t.Errorf("after the registration: %d %s", status, body)
	}
}

func TestRefusalsOfEKS(t *testing.T) {
	const (
		pass    = `{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}`
		create  = `{"Effect":"Allow","Action":"eks:CreatePodIdentityAssociation","Resource":"arn:aws:eks:*:*:cluster/prod"}`
		someone = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"%s"}}}`
	)
	for name, c := range map[string]struct {
		statements string
		change     func(*eks.CreatePodIdentityAssociationInput)
		want       string
	}{
		"both permissions": {statements: pass + "," + create},
		"no permission":    {statements: pass, want: "AccessDeniedException"},
		"may not pass":     {statements: create, want: "AccessDeniedException"},
		"another cluster":  {pass + "," + create, func(in *eks.CreatePodIdentityAssociationInput) { in.ClusterName = aws.String("x") }, "AccessDeniedException"},
		"target role":      {pass + "," + create, func(in *eks.CreatePodIdentityAssociationInput) { in.TargetRoleArn = in.RoleArn }, "InvalidParameterException"},
		"no session tags":  {pass + "," + create, func(in *eks.CreatePodIdentityAssociationInput) { in.DisableSessionTags = aws.Bool(true) }, "InvalidParameterException"},
		"a foreign account": {pass + "," + create, func(in *eks.CreatePodIdentityAssociationInput) {
			in.RoleArn = aws.String("arn:aws:iam::999999999999:role/r")
		}, "InvalidParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, fmt.Sprintf(podTrust, ""))
			role := n.createRole("deployer", fmt.Sprintf(someone, n.server.Account()))
			n.permit("deployer", `{"Version":"2012-10-17","Statement":[`+c.statements+`]}`)
			cfg := n.config(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(n.root), role))
			in := &eks.CreatePodIdentityAssociationInput{
				ClusterName: aws.String("prod"), Namespace: aws.String("otel"), ServiceAccount: aws.String("other"),
				RoleArn: &n.role.RoleARN,
			}
			if c.change != nil {
				c.change(in)
			}
			if _, err := eks.NewFromConfig(cfg).CreatePodIdentityAssociation(t.Context(), in); code(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	n := newNode(t, fmt.Sprintf(podTrust, ""))
	_, err := eks.NewFromConfig(n.root).CreateCluster(t.Context(), &eks.CreateClusterInput{
		Name: aws.String("new"), RoleArn: &n.role.RoleARN, ResourcesVpcConfig: &types.VpcConfigRequest{},
	})
	if code(err) != "NotImplemented" {
		t.Errorf("a cluster: %v", err)
	}
}
