package charts_test

import (
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
)

// TestRenderRefuses has values that would install and not work, and the sentence that says what to write.
func TestRenderRefuses(t *testing.T) {
	const noFile = "keyDelivery: {file: {enabled: false}}"
	for name, test := range map[string]struct{ values, want string }{
		"no role": {`aws: {roleArn: ""}`, "aws.roleArn is empty: give the ARN of the pods' role"},
		"no role for one": {
			`{aws: {roleArn: ""}, agent: {serviceAccount: {roleArn: "arn:aws:iam::111122223333:role/a"}}}`,
			"or cluster.serviceAccount.roleArn, or set aws.podIdentity",
		},
		"pod identity and a role": {
			"aws: {podIdentity: true}", "leave aws.roleArn empty and aws.projectToken false",
		},
		"pod identity and a projected token": {
			`aws: {podIdentity: true, roleArn: "", projectToken: true}`, "leave aws.roleArn empty and aws.projectToken false",
		},
		"pod identity and a role's own": {
			`{aws: {podIdentity: true, roleArn: ""}, gateway: {serviceAccount: {roleArn: "arn:aws:iam::111122223333:role/a"}}}`,
			"leave gateway.serviceAccount.roleArn empty",
		},
		"a user's ARN":    {"aws: {roleArn: 'arn:aws:iam::111122223333:user/a'}", "is not the ARN of an IAM role"},
		"a short account": {"aws: {roleArn: 'arn:aws:iam::1111:role/a'}", "is not the ARN of an IAM role"},
		"a role's name":   {"aws: {roleArn: collector}", "write it as arn:aws:iam::111122223333:role/opentelemetry"},
		"a bad ARN of one": {
			"cluster: {serviceAccount: {roleArn: cluster}}", `cluster.serviceAccount.roleArn "cluster" is not the ARN of an IAM role`,
		},
		"a bad ARN of a role that is off": {
			"gateway: {serviceAccount: {roleArn: pool}}", `gateway.serviceAccount.roleArn "pool" is not the ARN`,
		},
		"no cluster":     {`clusterName: ""`, "clusterName is empty: give the name of this Kubernetes cluster"},
		"no domain":      {`coralogix: {domain: ""}`, "coralogix.domain is empty: give the domain"},
		"unknown domain": {"coralogix: {domain: eu9.coralogix.com}", "is unknown: write us1 or us2"},
		"look-alike":     {"coralogix: {domain: eu2.coralogix.com.example}", "is unknown: write us1 or us2"},
		"alias":          {"coralogix: {domain: coralogix.com}", "is an older alias: write your region's own"},
		"shut down": {
			"coralogix: {domain: private-link.eu2.coralogix.com, allowUnknownDomain: true}",
			"is an endpoint that is shut down",
		},
		"endpoint":         {"coralogix: {domain: ingress.eu2.coralogix.com}", "leave out scheme, ingress, port and path"},
		"private endpoint": {"coralogix: {domain: private.eu2.coralogix.com}", "set coralogix.privateLink to true"},
		"URL":              {"coralogix: {domain: 'https://eu2.coralogix.com/', allowUnknownDomain: true}", "is more than a domain"},
		"no AppConfig environment": {
			`pinnace: {appConfig: {environment: ""}}`,
			"pinnace.appConfig.environment is empty: give the name or id",
		},
		"a volume that the queues outgrow": {
			"cluster: {queue: {size: 1Gi, volumeSize: 3071Mi}}", "cluster.queue.volumeSize is 3071Mi, and a queue of 1Gi",
		},
		"projected token without region": {`aws: {projectToken: true, region: ""}`, "the chart must set the region"},
		"account without name": {
			"serviceAccount: {create: false}", "give the service account's name in agent.serviceAccount.name",
		},
		"a role's account without name": {
			"cluster: {serviceAccount: {create: false}}",
			"cluster.serviceAccount.create is false: give the service account's name in cluster.serviceAccount.name",
		},
		"one account for two IAM roles": {
			`{serviceAccount: {name: mine}, cluster: {serviceAccount: {roleArn: "arn:aws:iam::111122223333:role/c"}}}`,
			"give each its own serviceAccount.name",
		},
		"no delivery": {noFile, "set keyDelivery.file.enabled, or another way, to true"},
		"both deliveries": {
			"keyDelivery: {process: {enabled: true}}",
			"keyDelivery.file and keyDelivery.process are all enabled: keep one and set enabled of the others to false",
		},
		"three deliveries": {
			"keyDelivery: {process: {enabled: true}, existingSecret: {enabled: true, name: a}}",
			"keyDelivery.existingSecret and keyDelivery.file and keyDelivery.process are all enabled",
		},
		"a Secret without name": {
			"keyDelivery: {file: {enabled: false}, existingSecret: {enabled: true}}", "keyDelivery.existingSecret.name is empty",
		},
		"Fargate with agents": {
			"platform: fargate", "set agent.enabled to false and gateway.enabled to true",
		},
		"Fargate with files": {
			"{platform: fargate, agent: {enabled: false}}",
			"set keyDelivery.file.enabled to false and keyDelivery.process.enabled to true",
		},
		"sampling without gateway": {
			"presets: {tailSampling: {enabled: true}}", "presets.tailSampling is enabled and needs the gateway: set gateway.enabled to true",
		},
		"sampling without agents": {
			"{agent: {enabled: false}, gateway: {enabled: true}, presets: {tailSampling: {enabled: true}}}",
			"enable the agents, which route by trace id, or set gateway.replicas to 1",
		},
		"sampling of nothing": {
			"{gateway: {enabled: true}, presets: {tailSampling: {enabled: true}, otlpReceiver: {enabled: false}}}",
			"set presets.otlpReceiver.enabled to true",
		},
		"the mode of 0.1.0": {
			"mode: deployment", "write gateway: {enabled: true}, agent: {enabled: false} and leave mode out",
		},
		"no role of the chart": {
			"{agent: {enabled: false}, cluster: {enabled: false}}", "set agent.enabled, cluster.enabled or gateway.enabled to true",
		},
		"nothing to do": {
			"presets: {collectorMetrics: {enabled: false}, kubernetesEvents: {enabled: false}, clusterMetrics: {enabled: false}}",
			"cluster.enabled is true and no preset gives it anything to do: enable one, or set cluster.enabled to false",
		},
		"an old collector": {"image: {tag: 0.127.0}", "the image has collector 0.127.0, and its queue needs 0.140.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), test.values); err == nil {
				t.Error("rendered")
			} else if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error does not say %q: %v", test.want, err)
			}
		})
	}
}

func TestRenderAllows(t *testing.T) {
	for name, values := range map[string]string{
		"alias":      "coralogix: {domain: coralogixsg.com, allowUnknownDomain: true}",
		"new region": "coralogix: {domain: eu9.coralogix.com, allowUnknownDomain: true}",
		"GovCloud":   "aws: {roleArn: 'arn:aws-us-gov:iam::111122223333:role/path/a'}",
		"an IAM role for each": `{aws: {roleArn: ""}, agent: {serviceAccount: {roleArn: "arn:aws:iam::111122223333:role/a"}},
  cluster: {serviceAccount: {roleArn: "arn:aws:iam::111122223333:role/b"}}}`,
		"sampling in one pod": "{agent: {enabled: false}, gateway: {enabled: true, replicas: 1}, presets: {tailSampling: {enabled: true}}}",
		"agents alone":        "cluster: {enabled: false}",
		"cluster alone":       "agent: {enabled: false}",
		"queues on the node":  "agent: {queue: {size: 1Gi, volumeSize: 1Gi}}",
		"below another chart": "{enabled: true, global: {imagePullSecrets: [{name: a}]}}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render(environment(t, "uat"), values); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOldKubernetesIsRefused(t *testing.T) {
	packed, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	options := chartrepo.RenderOptions{Release: "a", Namespace: "b", Values: [][]byte{[]byte(environment(t, "uat"))}}
	for version, works := range map[string]bool{"1.28.15": false, "1.29.0": true, "1.29.8-eks-a737599": true} {
		options.KubeVersion = version
		if _, err := chartrepo.Render(packed, options); (err == nil) != works {
			t.Errorf("on Kubernetes %s: %v", version, err)
		}
	}
}
