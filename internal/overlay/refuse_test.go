package overlay_test

import (
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/overlay"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// What the options lack or say wrong.
func TestOptionsAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*overlay.Options)
		said   string
	}{
		"no mode":         {func(o *overlay.Options) { o.Mode = "env" }, `--mode is "env"`},
		"no AppConfig":    {func(o *overlay.Options) { o.AppConfig = "app/prod" }, "--appconfig"},
		"a template":      {func(o *overlay.Options) { o.AppConfig = "a/b/{{.x}}" }, "--appconfig"},
		"no image":        {func(o *overlay.Options) { o.Image = "" }, "--agent-image"},
		"digest cut":      {func(o *overlay.Options) { o.Image = "r/agent@sha256:00" }, "--agent-image"},
		"no role":         {func(o *overlay.Options) { o.Roles = nil }, "no role"},
		"an ARN of users": {func(o *overlay.Options) { o.Roles = []string{"arn:aws:iam::111122223333:user/x"} }, "IAM role"},
		"a short account": {func(o *overlay.Options) { o.Roles = []string{"agent=arn:aws:iam::1:role/x"} }, "IAM role"},
		"role for nobody": {func(o *overlay.Options) { o.Roles = []string{role, "gateway=" + role} }, "no collector of that name"},
		"role for one":    {func(o *overlay.Options) { o.Roles = []string{"agent=" + role} }, "opentelemetry-cluster-collector has no role"},
		"role twice":      {func(o *overlay.Options) { o.PodIdentity = true }, "--pod-identity"},
		"no region":       {func(o *overlay.Options) { o.ProjectToken = true }, "--region"},
		"odd region":      {func(o *overlay.Options) { o.Region = "Stockholm" }, "--region"},
		"odd version":     {func(o *overlay.Options) { o.CollectorVersion = "newest" }, "--collector-version"},
		"other domain":    {func(o *overlay.Options) { o.Domain = "eu1.coralogix.com" }, "global.domain of the values"},
		"old alias":       {func(o *overlay.Options) { o.Domain = "coralogix.com" }, "older alias"},
		"shut down":       {func(o *overlay.Options) { o.Domain = "private-link.eu2.coralogix.com" }, "shut down"},
		"a URL":           {func(o *overlay.Options) { o.Domain = "https://eu2.coralogix.com" }, "more than a domain"},
		"an ingress":      {func(o *overlay.Options) { o.Domain = "ingress.eu2.coralogix.com" }, "more than a domain"},
		"old cluster":     {func(o *overlay.Options) { o.KubeVersion = "1.28" }, "no native sidecars"},
		"nobody left":     {func(o *overlay.Options) { o.Leave = []string{"agents"} }, "no such chart"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(overlay.File)
			test.change(&o)
			_, err := overlay.Make(o, subject(t, team))
			wantProblem(t, err, problem.Usage, test.said)
		})
	}
	for name, values := range map[string]string{
		"global.domain is empty":      `global: {clusterName: prod}`,
		"global.clusterName is empty": `global: {domain: eu2.coralogix.com}`,
		"older alias":                 `global: {domain: coralogix.com, clusterName: prod}`,
	} {
		_, err := overlay.Make(options(overlay.File), subject(t, values))
		wantProblem(t, err, problem.Usage, name)
	}
	o := options(overlay.File)
	o.AllowUnknownDomain = true
	if _, err := overlay.Make(o, subject(t, `global: {domain: coralogix.com, clusterName: prod}`)); err != nil {
		t.Errorf("an alias that is allowed: %v", err)
	}
}

func wantProblem(t *testing.T, err error, kind problem.Kind, said string) {
	t.Helper()
	if err == nil || problem.KindOf(err) != kind || !strings.Contains(err.Error(), said) || problem.HintOf(err) == "" {
		t.Errorf("%v (kind %v, hint %q), want %v and %q", err, problem.KindOf(err), problem.HintOf(err), kind, said)
	}
}

// What the team's values say that the mode cannot serve, or that the overlay would take away without a word.
func TestValuesAreRefused(t *testing.T) {
	const secret = "cxtp_EXAMPLEnotAKeyNotAKey0123456789"
	for name, test := range map[string]struct {
		mode   overlay.Mode // empty: both
		values string
		said   string
	}{
		"fleet management": {
			overlay.File, `opentelemetry-agent: {presets: {fleetManagement: {enabled: true}}}`, "fleet management (OpAMP)",
		},
		"host entities": {
			overlay.File, `opentelemetry-agent: {presets: {hostEntityEvents: {enabled: true}}}`, "resource catalog",
		},
		"Kubernetes resources": {
			overlay.File, `opentelemetry-cluster-collector: {presets: {kubernetesResources: {enabled: true}}}`, "resource catalog",
		},
		"the catalog as a feature": {
			overlay.File, `global: {coralogix: {features: {resourceCatalog: {enabled: true}}}}`, "resourceCatalog",
		},
		"head sampling": {
			overlay.File, `opentelemetry-agent: {presets: {headSampling: {enabled: true}}}`, "unsampled",
		},
		"another OTLP exporter": {
			overlay.File, `opentelemetry-agent: {presets: {otlpExporter: {enabled: true, endpoint: "x:1"}}}`, "in use already",
		},
		"further endpoints": {
			overlay.File, `opentelemetry-agent: {presets: {coralogixExporter: {additionalEndpoints: [{domain: x}]}}}`,
			"a key of its own",
		},
		"an Authorization of their own": {
			overlay.File, `opentelemetry-agent: {config: {exporters: {otlp: {headers: {authorization: Bearer x}}}}}`,
			"two Authorizations",
		},
		"a coralogix exporter of their own": {
			overlay.File, `opentelemetry-agent: {config: {exporters: {coralogix: {private_key: "${env:CORALOGIX_PRIVATE_KEY}"}}}}`,
			"keeps the key that it starts with",
		},
		"no TLS": {
			overlay.File, `opentelemetry-agent: {config: {exporters: {otlp: {tls: {insecure: true}}}}}`, "unencrypted",
		},
		"Fargate's own init containers": {
			"", `opentelemetry-agent-eks-fargate: {enabled: true}`, "initContainers of its own (node-labeler)",
		},
		"Fargate": {
			overlay.File, `opentelemetry-agent-eks-fargate-monitoring: {enabled: true}`, "runs on Fargate",
		},
		"Windows": {"", `opentelemetry-agent-windows: {enabled: true}`, "runs on Windows"},
		"a key":   {"", `opentelemetry-agent: {presets: {coralogixExporter: {privateKey: ` + secret + `}}}`, "privateKey is not"},
		"a key in a variable": {
			"", `opentelemetry-agent: {extraEnvs: [{name: CORALOGIX_PRIVATE_KEY, value: ` + secret + `}]}`, "by value",
		},
		"the Secret by another name": {
			"", `opentelemetry-agent: {extraEnvs: [{name: OTHER, valueFrom: {secretKeyRef: {name: coralogix-keys, key: x}}}]}`,
			"OTHER from the Secret",
		},
		"the Secret as a whole": {
			"", `opentelemetry-agent: {extraEnvsFrom: [{secretRef: {name: coralogix-keys}}]}`, "has all of the Secret",
		},
		"the Secret as a volume": {
			"", `opentelemetry-agent: {extraVolumes: [{name: keys, secret: {secretName: coralogix-keys}}]}`, "volume keys is the Secret",
		},
		"a variable of the agent": {
			"", `opentelemetry-agent: {extraEnvs: [{name: CORALOGIX_PRIVATE_KEY}, {name: PINNACE_MODE, value: "0444"}]}`,
			"PINNACE_MODE",
		},
		"a volume of our name": {
			"", `opentelemetry-agent: {extraVolumes: [{name: pinnace-key, emptyDir: {}}]}`, "extraVolumes has pinnace-key already",
		},
		"our folder": {
			"", `opentelemetry-agent: {extraVolumeMounts: [{name: x, mountPath: /var/run/pinnace}]}`, "extraVolumeMounts has something",
		},
		"another role": {
			"", `opentelemetry-agent: {serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/x"}}}`, "not " + role,
		},
		"an old collector": {
			overlay.Process, `opentelemetry-agent: {image: {tag: 0.127.0}}`, "sends no key at all",
		},
		"nobody": {
			"", `{opentelemetry-agent: {enabled: false}, opentelemetry-cluster-collector: {enabled: false}}`, "no workload reads",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []overlay.Mode{overlay.File, overlay.Process} {
				if test.mode != "" && test.mode != mode {
					continue
				}
				_, err := overlay.Make(options(mode), subject(t, team, test.values))
				wantProblem(t, err, problem.Refused, test.said)
				if err != nil && strings.Contains(err.Error()+problem.HintOf(err), secret) {
					t.Error("the error shows the key")
				}
			}
		})
	}
}

// What cannot have the agent may keep the Secret, and is named.
func TestLeave(t *testing.T) {
	o := options(overlay.File)
	o.Leave = []string{"agent-windows", "opentelemetry-agent-eks-fargate"}
	const values = `{opentelemetry-agent-windows: {enabled: true}, opentelemetry-agent-eks-fargate: {enabled: true}}`
	_, made := mustMake(t, o, team, values)
	if _, touched := made.Values["opentelemetry-agent-windows"]; touched {
		t.Error("what is left is changed")
	}
	notes := strings.Join(made.Notes, "\n")
	for _, alias := range o.Leave {
		if !strings.Contains(notes, alias+" keeps the Secret coralogix-keys") {
			t.Errorf("notes do not name %s:\n%s", alias, notes)
		}
	}
}
