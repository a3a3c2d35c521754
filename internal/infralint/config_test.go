package infralint_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/infralint"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// found answers the findings of one rule, as list has them.
func found(findings []infralint.Finding, rule string) string {
	return list(slices.DeleteFunc(slices.Clone(findings), func(f infralint.Finding) bool { return f.Rule != rule }))
}

// What is written in another way is the same.
func TestEvaluation(t *testing.T) {
	const public = `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "${arn}/*"}]}`
	for name, test := range map[string]struct {
		files map[string]string
		rule  string
		want  string // empty: none
	}{
		"a template": {map[string]string{
			"p.json.tftpl": public,
			"main.tf":      bucket + of("aws_s3_bucket_policy", `policy = templatefile("${path.module}/p.json.tftpl", { arn = aws_s3_bucket.b.arn })`),
		}, "bucket-public", "main.tf:4 bucket-public aws_s3_bucket_policy.x: the policy allows everybody\n"},
		"a template that makes the list": {map[string]string{
			"p.json.tftpl": `{"Statement": [{"Effect": "Allow", "Action": ${jsonencode(actions)}, "Resource": "*"}]}`,
			"main.tf":      `resource "aws_iam_role_policy" "x" { policy = templatefile("p.json.tftpl", { actions = ["s3:GetObject"] }) }`,
		}, "policy-any-resource", "main.tf:1 policy-any-resource aws_iam_role_policy.x: the policy allows s3:GetObject on every resource\n"},
		"a file that is not there": {map[string]string{
			"main.tf": `resource "aws_iam_role_policy" "x" { policy = file("nowhere.json") }`,
		}, "policy-any-resource", ""},
		"a variable of a module": {map[string]string{
			"main.tf":   "module \"m\" {\n  source = \"./m\"\n  force = true\n}\nmodule \"n\" {\n  source = \"./m\"\n}",
			"m/main.tf": "variable \"force\" { default = false }\nresource \"aws_s3_bucket\" \"b\" {\n  force_destroy = var.force\n}",
		}, "bucket-force-destroy", "main.tf:3 bucket-force-destroy module.m.aws_s3_bucket.b: force_destroy is true\n"},
		"given by a file of values": {map[string]string{
			"main.tf":          "variable \"force\" { default = false }\nresource \"aws_s3_bucket\" \"b\" {\n  force_destroy = var.force\n}",
			"terraform.tfvars": "force = false", "x.auto.tfvars": "force = true",
		}, "bucket-force-destroy", "main.tf:3 bucket-force-destroy aws_s3_bucket.b: force_destroy is true\n"},
		"across modules": {map[string]string{
			"main.tf": "module \"b\" {\n  source = \"./b\"\n}\nmodule \"l\" {\n  source = \"./l\"\n  bucket = module.b.name\n}",
			"b/b.tf":  "resource \"aws_s3_bucket\" \"b\" {}\noutput \"name\" { value = aws_s3_bucket.b.id }",
			"l/l.tf":  "variable \"bucket\" {}\nresource \"aws_s3_bucket_lifecycle_configuration\" \"l\" { bucket = var.bucket }",
		}, "bucket-lifecycle", ""},
		"a name that the caller gives": {map[string]string{
			"main.tf":   "module \"m\" {\n  source = \"./m\"\n  name = \"otel-prod\"\n}",
			"m/main.tf": "variable \"name\" {}\nresource \"aws_iam_role\" \"r\" { name = var.name }",
		}, "environment-fixed", ""},
		"statements of a for expression": {map[string]string{
			"main.tf": "variable \"accounts\" {}\n" + provider + `resource "aws_iam_role" "x" { assume_role_policy = jsonencode({ Statement = [for a in var.accounts : {
  Effect = "Allow", Action = "sts:AssumeRoleWithWebIdentity", Principal = { Federated = aws_iam_openid_connect_provider.o.arn }
  Condition = { StringEquals = { "x:sub" = "system:serviceaccount:${a.namespace}:${a.name}" } }
}] }) }`,
		}, "trust-aud", "main.tf:3 trust-aud aws_iam_role.x: the trust names no audience (aud)\n"},
		"dynamic statements": {map[string]string{
			"main.tf": "variable \"arns\" {}\nresource \"aws_iam_role_policy\" \"x\" { policy = data.aws_iam_policy_document.d.json }\n" + `data "aws_iam_policy_document" "d" {
  dynamic "statement" {
    for_each = var.arns
    content {
      actions   = ["s3:*"]
      resources = [statement.value]
    }
  }
}`,
		}, "policy-any-action", "main.tf:7 policy-any-action aws_iam_role_policy.x: the policy allows every action of s3\n"},
		"what may be there": {map[string]string{
			"main.tf": "variable \"on\" { default = false }\nresource \"aws_s3_bucket\" \"b\" {\n  count = var.on ? 1 : 0\n  force_destroy = true\n}",
		}, "bucket-force-destroy", "main.tf:4 bucket-force-destroy aws_s3_bucket.b: force_destroy is true\n"},
		"what is not there": {map[string]string{
			"main.tf": applied + "variable \"on\" { default = false }\nresource \"aws_s3_bucket\" \"b\" {\n  count = var.on ? 1 : 0\n  force_destroy = true\n}",
		}, "bucket-force-destroy", ""},
		"what is not given": {map[string]string{
			"main.tf": "variable \"ci\" { default = null }\n" + trust(`Principal = { Federated = [for s in try(var.ci.subjects, []) : s] }, Action = "sts:AssumeRoleWithWebIdentity"`),
		}, "trust-sub", ""},
		"what is given": {map[string]string{
			"main.tf": "variable \"ci\" { default = { subjects = [\"arn\"] } }\n" + trust(`Principal = { Federated = [for s in try(var.ci.subjects, []) : s] }, Action = "sts:AssumeRoleWithWebIdentity"`),
		}, "trust-sub", "main.tf:2 trust-sub aws_iam_role.x: the trust names no subject (sub)\n"},
		"a choice that is not made": {map[string]string{
			"main.tf": "variable \"all\" {}\n" + `resource "aws_iam_role_policy" "x" { policy = jsonencode({ Statement = { Effect = "Allow", Action = "s3:GetObject", Resource = var.all ? "*" : "x" } }) }`,
		}, "policy-any-resource", ""},
		"a choice that is": {map[string]string{
			"main.tf": "locals { all = length([1]) > 0 && !false }\n" + `resource "aws_iam_role_policy" "x" { policy = jsonencode({ Statement = { Effect = "Allow", Action = "s3:GetObject", Resource = local.all ? "*" : "x" } }) }`,
		}, "policy-any-resource", "main.tf:2 policy-any-resource aws_iam_role_policy.x: the policy allows s3:GetObject on every resource\n"},
		"functions": {map[string]string{
			"main.tf": `locals { parts = merge({ a = "s3" }, { b = lower("GETOBJECT") }) }
resource "aws_iam_role_policy" "x" { policy = jsonencode({ Statement = flatten([[{ Effect = title("allow"), Action = format("%s:%s", local.parts.a, local.parts["b"]), Resource = try(compact(["", "*"])[0], "") }]]) }) }`,
		}, "policy-any-resource", "main.tf:2 policy-any-resource aws_iam_role_policy.x: the policy allows s3:getobject on every resource\n"},
		"locals in a circle": {map[string]string{
			"main.tf": "locals {\n  a = local.b\n  b = \"${local.a}x\"\n}\nresource \"aws_s3_bucket\" \"b\" { force_destroy = local.a }",
		}, "bucket-force-destroy", ""},
		"documents in a circle": {map[string]string{
			"main.tf": "data \"aws_iam_policy_document\" \"d\" {\n  dynamic \"statement\" {\n    for_each = [1]\n    content {\n      actions = [data.aws_iam_policy_document.d.json]\n    }\n  }\n}\nresource \"aws_iam_role_policy\" \"x\" { policy = data.aws_iam_policy_document.d.json }",
		}, "policy-any-action", ""},
		"what no memory holds": {map[string]string{"main.tf": doubling()}, "bucket-force-destroy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			report := lint(t, folder(t, test.files))
			if got := found(report.Findings, test.rule); got != test.want {
				t.Errorf("got:\n%swant:\n%s", got, test.want)
			}
		})
	}
}

// doubling describes lists and texts of 2^60 items.
func doubling() string {
	var b strings.Builder
	b.WriteString("locals {\n  a0 = [\"x\"]\n  t0 = \"x\"\n")
	for i := 1; i < 60; i++ {
		before, now := string(rune('0'+(i-1)/10))+string(rune('0'+(i-1)%10)), string(rune('0'+i/10))+string(rune('0'+i%10))
		if i == 1 {
			before = "0"
		}
		b.WriteString("  a" + now + " = [local.a" + before + ", local.a" + before + "]\n")
		b.WriteString("  t" + now + " = \"${local.t" + before + "}${local.t" + before + "}\"\n")
	}
	b.WriteString("}\nresource \"aws_s3_bucket\" \"b\" {\n  bucket = local.t59\n  force_destroy = local.a59\n}\n")
	return b.String()
}

// What cannot be read is told with its place, as wrong input.
func TestBadInput(t *testing.T) {
	dir := folder(t, map[string]string{
		"syntax/main.tf":    "resource \"a\" \"b\" {\n  c = [1,\n}\n",
		"unclosed/main.tf":  "\nresource \"a\" \"b\" {\n",
		"deep/main.tf":      "a = " + strings.Repeat("[", 100_000),
		"signs/main.tf":     "a = " + strings.Repeat("!", 100_000) + "true",
		"choices/main.tf":   "a = " + strings.Repeat("true ? 1 : ", 50_000) + "1",
		"templates/main.tf": "a = " + strings.Repeat(`"${`, 50_000),
		"large/main.tf":     strings.Repeat("# x\n", 300_000),
		"empty/readme.md":   "",
		"circle/main.tf":    "module \"a\" {\n  source = \"./b\"\n}\n", "circle/b/main.tf": "\nmodule \"c\" {\n  source = \"../\"\n}\n",
		"missing/main.tf": "module \"a\" {\n  source = \"./nowhere\"\n}\n",
		"values/main.tf":  "", "values/terraform.tfvars": "a = {",
		"reason/main.tf": "# pinnace:accept bucket-tls\n", "unknown/main.tf": "\n# pinnace:accept no-such-rule because\n",
		"text.json": "hello", "other.json": `{"a": 1}`, "old.tfstate": `{"version": 3}`, "list.json": "[]", "types.json": `{"planned_values": 1}`,
		"one.tf": "", "outside": `resource "a" "b" {}`, "link/x.txt": "",
	})
	if err := os.Symlink("../outside", filepath.Join(dir, "link", "main.tf")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link", "a.tf")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "link", "a.tf"), filepath.Join(dir, "dangling.json")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"syntax":        "syntax/main.tf:3: Invalid expression",
		"unclosed":      "unclosed/main.tf:2: Unclosed configuration block",
		"deep":          "deep/main.tf:1: nested too deep",
		"signs":         "signs/main.tf:1: nested too deep",
		"choices":       "choices/main.tf:1: nested too deep",
		"templates":     "templates/main.tf:1: nested too deep",
		"large":         "large/main.tf: it is larger than 1048576 bytes",
		"empty":         "empty: it has no .tf files",
		"nowhere":       "nowhere: no such file or directory",
		"circle":        "circle/b/main.tf:2: module c is within itself",
		"missing":       "missing/main.tf:1: module a: reading",
		"values":        "values/terraform.tfvars:1: ",
		"reason":        "reason/main.tf:1: a finding is accepted by its rule, with a reason",
		"unknown":       `unknown/main.tf:2: there is no rule "no-such-rule" to accept`,
		"text.json":     "text.json: it is no JSON of a plan or a state",
		"other.json":    "other.json: it is neither a plan nor a state",
		"old.tfstate":   "old.tfstate: it is neither a plan nor a state",
		"list.json":     "list.json: it is no JSON of a plan or a state",
		"types.json":    "types.json: it is no JSON of a plan or a state",
		"one.tf":        "one.tf: a file of a configuration",
		"link":          "link/main.tf: it is a link that leads out of its folder",
		"dangling.json": "dangling.json: no such file or directory",
	} {
		_, err := linter(t).Lint(t.Context(), filepath.Join(dir, name))
		if err == nil || !strings.Contains(err.Error(), want) || problem.KindOf(err) != problem.Usage {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if os.Geteuid() != 0 {
		if err := os.Chmod(filepath.Join(dir, "values", "main.tf"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := linter(t).Lint(t.Context(), filepath.Join(dir, "values")); !errors.Is(err, os.ErrPermission) {
			t.Errorf("unreadable: %v", err)
		}
	}
}

// What is accepted with a reason is counted and not told.
func TestAccept(t *testing.T) {
	const b = "resource \"aws_s3_bucket\" \"b\" {\n"
	for name, test := range map[string]struct {
		config string
		accept string
		left   string // findings of bucket-force-destroy
	}{
		"above the block":      {"# pinnace:accept bucket-force-destroy a test\n" + b + "  force_destroy = true\n}", "", ""},
		"above with others":    {"# pinnace:accept bucket-tls x\n# pinnace:accept bucket-force-destroy a test\n# more\n\n" + b + "  force_destroy = true\n}", "", ""},
		"above the line":       {b + "  /* pinnace:accept bucket-force-destroy a test */\n  force_destroy = true\n}", "", ""},
		"on the line":          {b + "  force_destroy = true // pinnace:accept bucket-force-destroy a test\n}", "", ""},
		"another rule":         {b + "  force_destroy = true // pinnace:accept bucket-tls a test\n}", "", "main.tf:2"},
		"another block":        {"# pinnace:accept bucket-force-destroy a test\nlocals {}\n" + b + "  force_destroy = true\n}", "", "main.tf:4"},
		"the line before":      {b + "  bucket = null # pinnace:accept bucket-force-destroy a test\n  force_destroy = true\n}", "", "main.tf:3"},
		"by the rule":          {b + "  force_destroy = true\n}", "bucket-force-destroy", ""},
		"by the address":       {b + "  force_destroy = true\n}", "bucket-force-destroy:aws_s3_bucket.b", ""},
		"by another's address": {b + "  force_destroy = true\n}", "bucket-force-destroy:aws_s3_bucket.c", "main.tf:2"},
	} {
		t.Run(name, func(t *testing.T) {
			var accept []infralint.Accept
			if test.accept != "" {
				a, err := infralint.ParseAccept(test.accept)
				if err != nil {
					t.Fatal(err)
				}
				accept = append(accept, a)
			}
			report := lint(t, folder(t, map[string]string{"main.tf": test.config}), accept...)
			got := found(report.Findings, "bucket-force-destroy")
			if !strings.HasPrefix(got, test.left) || (test.left == "") != (got == "") {
				t.Errorf("left: %q", got)
			}
			if test.left == "" && report.Accepted == 0 {
				t.Error("nothing is accepted")
			}
		})
	}
	if _, err := infralint.ParseAccept("nothing:x"); problem.KindOf(err) != problem.Usage {
		t.Errorf("an unknown rule: %v", err)
	}
}

// A folder of folders stands for what is applied; a module is judged where it is called.
func TestFolders(t *testing.T) {
	dir := folder(t, map[string]string{
		"modules/m/main.tf":      "variable \"force\" {}\nresource \"aws_s3_bucket\" \"b\" {\n  force_destroy = var.force\n}",
		"environments/a/main.tf": "module \"m\" {\n  source = \"../../modules/m\"\n  force = true\n}\nmodule \"far\" {\n  source = \"org/x/aws\"\n}",
		"environments/b/main.tf": "module \"m\" {\n  source = \"../../modules/m\"\n  force = false\n}",
		".terraform/x/main.tf":   "broken {", "environments/a/more.tf.json": "{}",
	})
	report := lint(t, dir)
	if got := found(report.Findings, "bucket-force-destroy"); got != "main.tf:3 bucket-force-destroy module.m.aws_s3_bucket.b: force_destroy is true\n" {
		t.Error(got)
	}
	if got := found(report.Findings, "bucket-tls"); strings.Count(got, "\n") != 1 {
		t.Errorf("a module that two share is told of once: %s", got)
	}
	notes := strings.Join(report.Notes, "\n")
	if len(report.Notes) != 2 || !strings.Contains(notes, "more.tf.json is not read") || !strings.Contains(notes, "module far is not local") {
		t.Errorf("notes: %s", notes)
	}
}
