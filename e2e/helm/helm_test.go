package helm_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A person installs the plugins, publishes with `helm pinnace`, and uses the repository as any other.
func TestRepositoryInBucket(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		w.run(t, words("helm plugin list"), `pinnace\s+0\.`, `pinnace-getter\s+0\.`)
		w.chart(t, "web-1", "web", "1.0.0")
		w.chart(t, "web-2", "web", "1.1.0+build.5")
		w.run(t, words("helm pinnace publish ./web-1 --repo s3://acme-charts/stable"), "published web 1.0.0")
		w.run(t, words("helm pinnace publish ./web-2 --repo s3://acme-charts/stable"), `published web 1.1.0\+build.5`)
		w.run(t, words("helm pinnace ls web --repo s3://acme-charts/stable"), `1\.1\.0\+build\.5`)

		w.run(t, words("helm repo add stable s3://acme-charts/stable"), "has been added")
		w.run(t, words("helm search repo stable --versions"), `stable/web\s+1\.1\.0\+build\.5`, `stable/web\s+1\.0\.0\s`)

		w.run(t, words("helm pull stable/web --version 1.1.0+build.5"))
		w.run(t, words("helm show chart web-1.1.0+build.5.tgz"), `version: 1\.1\.0\+build\.5`)
		w.run(t, words("helm show values stable/web --version 1.0.0"), "greeting: hello")
		w.run(t, words("helm template demo stable/web --version 1.0.0 --set greeting=hi"), `greeting: "hi"`)
		w.cluster(t)
		w.run(t, words("helm install demo stable/web --dry-run=client --disable-openapi-validation"), `version: "1\.1\.0\+build\.5"`)
		w.run(t, words("helm show chart s3://acme-charts/stable/web-1.0.0.tgz"), "version: 1.0.0")
	})
}

// Both majors look for plugins in the same folder; what one installs, the other uses.
func TestOneFolderForBothMajors(t *testing.T) {
	helm3, helm4 := found()["3"](t), found()["4"](t)
	w := newWorld(t, "4", helm4)
	w.plugins(t)
	for _, helm := range []string{helm3, helm4} {
		w.helm = helm
		w.run(t, words("helm plugin list"), `pinnace\s`, `pinnace-getter\s`)
		w.chart(t, "web", "web", "1.0.0")
		w.run(t, words("helm pinnace publish ./web --repo s3://acme-charts/stable"), "published web 1.0.0")
		w.run(t, words("helm repo add stable s3://acme-charts/stable --force-update"))
	}
}

// An index that has not changed costs one request, and its answer has no body.
func TestUpdateOfUnchangedIndex(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		w.chart(t, "web", "web", "1.0.0")
		w.run(t, words("helm pinnace publish ./web --repo s3://acme-charts/stable"))
		w.run(t, words("helm repo add stable s3://acme-charts/stable"))
		w.seen()
		for range 2 {
			w.run(t, words("helm repo update"), "Successfully got an update")
			w.wantRequests(t, "GET index.yaml 304 0")
		}

		w.chart(t, "web", "web", "2.0.0")
		w.run(t, words("helm pinnace publish ./web --repo s3://acme-charts/stable"))
		w.seen()
		w.run(t, words("helm repo update"))
		if got := w.seen(); len(got) != 1 || !strings.HasPrefix(got[0], "GET index.yaml 200 ") {
			t.Errorf("after a publish: %v, want the whole index", got)
		}
		w.run(t, words("helm search repo stable/web"), `stable/web\s+2\.0\.0`)
	})
}

// Charts that pinnace signed are verified by Helm from the bucket, and so are those that Helm signed and another tool
// put there; those of somebody else are not taken.
func TestVerify(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		secret, public := w.keyrings(t, "acme")
		_, stranger := w.keyrings(t, "stranger")
		w.chart(t, "web", "web", "1.0.0+a")
		w.run(t, []string{
			"helm", "pinnace", "publish", "./web", "--repo", "s3://acme-charts/stable",
			"--sign", "--key", "acme", "--keyring", secret,
		})
		w.chart(t, "api", "api", "1.0.0")
		w.run(t, []string{"helm", "package", "./api", "--sign", "--key", "acme", "--keyring", secret})
		for _, name := range []string{"api-1.0.0.tgz", "api-1.0.0.tgz.prov"} {
			w.put(t, "stable/"+name, name)
		}
		w.run(t, words("helm pinnace reindex --repo s3://acme-charts/stable"), "added api 1.0.0")
		w.run(t, words("helm repo add stable s3://acme-charts/stable"))
		for _, chart := range []string{"stable/web", "stable/api"} {
			w.run(t, []string{"helm", "pull", chart, "--verify", "--keyring", public}, "Signed by: acme", "Chart Hash Verified")
			w.refused(t, []string{"helm", "pull", chart, "--verify", "--keyring", stranger}, "signature|unknown entity")
		}
	})
}

func (w *world) put(t *testing.T, key, file string) {
	t.Helper()
	f, err := os.Open(filepath.Join(w.home, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := w.client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: &key, Body: f,
	}); err != nil {
		t.Fatal(err)
	}
}

// Dependencies come from the bucket; file:// in a Chart.yaml still means the folder beside it, though file:// is a
// protocol of the plugin.
func TestDependencies(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		w.chart(t, "web", "web", "1.1.0+build.5")
		w.run(t, words("helm pinnace publish ./web --repo s3://acme-charts/stable"))
		w.chart(t, "lib", "lib", "0.1.0")
		w.chart(t, "site", "site", "1.0.0",
			"- {name: web, version: ^1.0, repository: 's3://acme-charts/stable'}\n",
			"- {name: lib, version: 0.1.0, repository: 'file://../lib'}\n")
		w.run(t, words("helm dependency update ./site"))
		w.run(t, words("helm repo add stable s3://acme-charts/stable")) // which build wants and update does not
		if err := os.RemoveAll(filepath.Join(w.home, "site/charts")); err != nil {
			t.Fatal(err)
		}
		w.run(t, words("helm dependency build ./site"))
		w.run(t, words("helm dependency list ./site"), `web\s+\^1\.0\s+s3://acme-charts/stable\s+ok`, `lib\s+0\.1\.0\s+file://../lib\s+ok`)
		w.run(t, words("helm template demo ./site"), "demo-web", "demo-lib", "demo-site")
	})
}

// A folder is a repository too.
func TestRepositoryInFolder(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		w.chart(t, "web", "web", "1.0.0+a")
		repo := "file://" + w.home + "/my%20charts"
		w.run(t, []string{"helm", "pinnace", "publish", "./web", "--repo", repo})
		w.run(t, []string{"helm", "repo", "add", "local", repo})
		w.run(t, words("helm repo update"))
		w.run(t, words("helm search repo local"), `local/web\s+1\.0\.0\+a`)
		w.run(t, words("helm template demo local/web"), "demo-web")
		w.wantRequests(t)
	})
}

// What cannot be read is explained in Helm's output: what failed, and what to do.
func TestUnreadable(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.plugins(t)
		w.refused(t, words("helm repo add none s3://acme-charts/none"),
			`reading s3://acme-charts/none/index.yaml: no such object`, `hint: check the repository's URL`)
		w.refused(t, words("helm repo add none s3://acme-nothing"), "bucket acme-nothing does not exist")
		w.chart(t, "web", "web", "1.0.0")
		w.run(t, words("helm pinnace publish ./web --repo s3://acme-charts/stable"))
		w.run(t, words("helm repo add stable s3://acme-charts/stable"))
		_, err := w.client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{
			Bucket: aws.String(bucket), Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny",
			  "Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::acme-charts/*"}]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.try(t, "helm", "repo", "update")
		match(t, out, []string{"AccessDenied", "hint: allow this identity s3:GetObject on arn:aws:s3:::acme-charts/stable"})
		if err == nil && w.major == "4" {
			t.Error("the update succeeded")
		}
		w.refused(t, words("helm pull stable/web"), "AccessDenied")
	})
}

// Teams that serve the bucket over HTTPS, such as through a VPC endpoint, need no plugin: the index is JSON, its URLs
// are relative, and a plus sign in them is escaped.
func TestPlainHelmOverHTTPS(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		from, err := programs()
		if err != nil {
			t.Fatal(err)
		}
		w.chart(t, "web", "web", "1.0.0+a")
		w.run(t, []string{filepath.Join(from, "pinnace"), "publish", "./web", "--repo", "s3://acme-charts/stable"})
		_, err = w.client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{
			Bucket: aws.String(bucket), Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
			  "Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::acme-charts/*",
			  "Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.1/32"}}}]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		front := httptest.NewTLSServer(w)
		t.Cleanup(front.Close)
		w.write(t, map[string]string{"ca.pem": string(pem.EncodeToMemory(&pem.Block{
			Type: "CERTIFICATE", Bytes: front.Certificate().Raw,
		}))})
		w.env = slices.DeleteFunc(w.env, func(pair string) bool { return strings.HasPrefix(pair, "AWS_") })

		w.run(t, []string{"helm", "repo", "add", "plain", front.URL + "/acme-charts/stable", "--ca-file", "ca.pem"})
		w.run(t, words("helm repo update"))
		w.run(t, words("helm search repo plain"), `plain/web\s+1\.0\.0\+a`)
		w.seen()
		w.run(t, words("helm pull plain/web"))
		if got := w.seen(); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "GET web-1.0.0+a.tgz 200 ") {
			t.Errorf("requests %v, want the archive", got)
		}
		w.run(t, words("helm show chart web-1.0.0+a.tgz"), `version: 1\.0\.0\+a`)
	})
}

// Helm 4 installs signed archives, and neither an unsigned one, nor one that was changed, nor a stranger's.
func TestSignedPlugins(t *testing.T) {
	helm := found()["4"](t)
	w := newWorld(t, "4", helm)
	from, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	secret, public := w.keyrings(t, "acme")
	_, stranger := w.keyrings(t, "stranger")
	script, err := filepath.Abs("../../plugin/package.sh")
	if err != nil {
		t.Fatal(err)
	}
	w.setenv("HELM", helm)
	w.setenv("PINNACE", filepath.Join(from, "pinnace"))
	w.run(t, []string{script, "dist", "acme", secret})
	const archive = "dist/pinnace-getter-0.0.0-devel.tgz"
	install := func(file, keyring string) []string {
		return []string{"helm", "plugin", "install", file, "--keyring", keyring}
	}
	w.refused(t, install(archive, stranger), "signature|unknown entity")

	good, err := os.ReadFile(filepath.Join(w.home, archive))
	if err != nil {
		t.Fatal(err)
	}
	prov, err := os.ReadFile(filepath.Join(w.home, archive+".prov"))
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[len(bad)/2] ^= 1
	w.write(t, map[string]string{
		"changed/" + filepath.Base(archive): string(bad), "changed/" + filepath.Base(archive) + ".prov": string(prov),
		"unsigned/" + filepath.Base(archive): string(good),
	})
	w.refused(t, install("changed/"+filepath.Base(archive), public), "sha256|mismatch|verif")
	w.refused(t, install("unsigned/"+filepath.Base(archive), public), "(?i)provenance|signature|verif")
	if out := w.run(t, words("helm plugin list")); strings.Contains(out, "pinnace") {
		t.Error("a refused plugin was installed")
	}

	w.run(t, install(archive, public), "(?i)acme|verif")
	w.run(t, install("dist/pinnace-0.0.0-devel.tgz", public))
	w.run(t, words("helm plugin list"), `pinnace-getter\s.*\ssigned\s`, `pinnace\s.*\ssigned\s`)
	w.chart(t, "web", "web", "1.0.0")
	w.run(t, words("helm pinnace publish ./web --repo s3://acme-charts/stable"))
	w.run(t, words("helm repo add stable s3://acme-charts/stable"))
	w.run(t, words("helm search repo stable"), `stable/web\s+1\.0\.0`)
}
