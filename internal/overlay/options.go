package overlay

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Mode is how the key reaches a collector.
type Mode string

// File is a native sidecar that replaces a file, which bearertokenauth reads again: rotation without a restart, and
// without what upstream's chart gives the key to by variable alone. Process is a wrapper that starts the image's own
// program with the variable, and starts it again after a rotation.
const (
	File    Mode = "file"
	Process Mode = "process"
)

// Options are what the overlay adds to a chart. Empty texts leave the chart's own values as they are.
type Options struct {
	Mode      Mode
	AppConfig string   // APPLICATION/ENVIRONMENT/PROFILE, names or ids; its field private_key is the key
	Image     string   // of the agent: REPOSITORY[:TAG][@DIGEST]
	Roles     []string // ARNs, each for every service account, or ALIAS=ARN for one
	// PodIdentity says that associations of EKS name the roles, and ProjectToken that the cluster has no webhook that
	// gives pods their tokens: the overlay mounts one and needs Region.
	PodIdentity, ProjectToken bool
	Region                    string
	Domain, ClusterName       string
	AllowUnknownDomain        bool     // also an older alias
	Application, Subsystem    string   // under which Coralogix files what has no better names
	Leave                     []string // aliases that keep the Secret
	CollectorVersion          string   // of images whose tag does not tell
	Namespace                 string   // of the release; for the subjects
	KubeVersion               string   // of the cluster, such as 1.33
}

// Domains are those of Coralogix's regions.
func Domains() []string {
	var all []string
	for _, region := range []string{"us1", "us2", "us3", "eu1", "eu2", "ap1", "ap2", "ap3"} {
		all = append(all, region+".coralogix.com")
	}
	return all
}

var (
	roleARN    = regexp.MustCompile(`^arn:aws(-[a-z-]+)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$`)
	configName = regexp.MustCompile(`^[^/,\s{}]+/[^/,\s{}]+/[^/,\s{}]+$`)
	reference  = regexp.MustCompile(`^[a-z0-9][a-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$`)
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	domainName = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	aliasName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
)

func usage(hint, format string, args ...any) error {
	return problem.New(problem.Usage, hint, format, args...)
}

func (o Options) validate() error {
	switch {
	case o.Mode != File && o.Mode != Process:
		return usage("write --mode file (rotates live) or --mode process (keeps fleet management and the resource catalog)",
			"--mode is %q", string(o.Mode))
	case !configName.MatchString(o.AppConfig):
		return usage("write it as APPLICATION/ENVIRONMENT/PROFILE, names or ids", "--appconfig is %q", o.AppConfig)
	case !reference.MatchString(o.Image):
		return usage("give the agent's image in your registry, such as registry.example.com/pinnace-agent@sha256:…",
			"--agent-image is %q", o.Image)
	case o.Region != "" && !regionName.MatchString(o.Region):
		return usage("write it as eu-north-1", "--region is %q", o.Region)
	case o.ProjectToken && o.Region == "":
		return usage("add --region", "--project-token without --region: without EKS's webhook nothing else sets it")
	}
	return cmp.Or(o.validateVersions(), o.validateRoles(), o.validateDomain(o.Domain))
}

func (o Options) validateVersions() error {
	if o.CollectorVersion != "" {
		if _, err := semver.NewVersion(o.CollectorVersion); err != nil {
			return usage("write it as 0.159.0", "--collector-version is %q", o.CollectorVersion)
		}
	}
	v, err := semver.NewVersion(o.KubeVersion)
	if err == nil && o.Mode == File && v.LessThan(semver.MustParse("1.29.0")) {
		return usage("use --mode process", "Kubernetes %s knows no native sidecars, which came with 1.29", o.KubeVersion)
	}
	return nil
}

func (o Options) validateRoles() error {
	const example = "arn:aws:iam::111122223333:role/opentelemetry"
	switch {
	case o.PodIdentity && (len(o.Roles) > 0 || o.ProjectToken):
		return usage("leave out --role-arn and --project-token: the association names the role",
			"--pod-identity beside a role or a token")
	case !o.PodIdentity && len(o.Roles) == 0:
		return usage("give --role-arn "+example+", or --pod-identity", "no role")
	}
	for _, role := range o.Roles {
		alias, arn, named := strings.Cut(role, "=")
		if !named || strings.HasPrefix(role, "arn:") {
			alias, arn = "all", role
		}
		if !roleARN.MatchString(arn) || !aliasName.MatchString(alias) {
			return usage("write it as "+example+", or as ALIAS="+example, "%q is not the ARN of an IAM role", role)
		}
	}
	return nil
}

// role is the ARN for an alias: the one that names it, else the one for all.
func (o Options) role(alias string) string {
	all := ""
	for _, role := range o.Roles {
		if name, arn, named := strings.Cut(role, "="); named && !strings.HasPrefix(role, "arn:") {
			if name == alias || prefix+name == alias {
				return arn
			}
			continue
		}
		all = role
	}
	return all
}

// validateDomain refuses what is no domain of Coralogix's. Empty is for the chart's own values to fill.
func (o Options) validateDomain(domain string) error {
	known := strings.Join(Domains(), ", ")
	switch {
	case domain == "" || slices.Contains(Domains(), domain):
		return nil
	case strings.HasPrefix(domain, "private-link.") || strings.HasPrefix(domain, "api."):
		return usage("write one of "+known, "domain %q is an endpoint that is shut down", domain)
	case strings.HasPrefix(domain, "ingress.") || !domainName.MatchString(domain):
		return usage("leave out scheme, ingress, port and path", "domain %q is more than a domain", domain)
	case o.AllowUnknownDomain:
		return nil
	}
	return usage("write one of "+known+", or add --allow-unknown-domain",
		"domain %q is unknown, or an older alias", domain)
}
