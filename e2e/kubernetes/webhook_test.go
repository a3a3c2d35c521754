package kubernetes_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	admission "k8s.io/api/admission/v1"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the webhook does to the pods of a namespace, its labels say.
const (
	identityLabel    = "pinnace.test/identity"    // "webhook": as EKS does for service accounts with its annotation
	authoritiesLabel = "pinnace.test/authorities" // "injected": for a chart that cannot bring an authority by itself
	ingressLabel     = "pinnace.test/ingress"     // address of the ingress, for a chart without hostAliases
)

const (
	domain      = "eu2.coralogix.com"
	ingressName = "ingress." + domain
	authorities = "/var/run/pinnace.test/ca.crt" // where they are injected
	tokenFolder = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
)

// webhook serves the mutations, once for all tests, and tells the API server.
var webhook = sync.OnceValue(func() error {
	certificate, err := kube.Certificate("127.0.0.1")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:9443")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(admit), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // until the process ends
	url, fail, none := "https://127.0.0.1:9443/", admissionregistration.Fail, admissionregistration.SideEffectClassNone
	_, err = kube.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(kubeContext,
		&admissionregistration.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "pods"},
			Webhooks: []admissionregistration.MutatingWebhook{{
				Name:          "pods.pinnace.test",
				ClientConfig:  admissionregistration.WebhookClientConfig{URL: &url, CABundle: kube.AuthorityPEM()},
				FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"pinnace.test/webhook": "yes"}},
				Rules: []admissionregistration.RuleWithOperations{{
					Operations: []admissionregistration.OperationType{admissionregistration.Create},
					Rule: admissionregistration.Rule{
						APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"},
					},
				}},
			}},
		}, metav1.CreateOptions{})
	return err
})

// webhookLabels are those of a namespace whose pods the webhook changes.
func webhookLabels(t *testing.T, more map[string]string) map[string]string {
	t.Helper()
	must(t, webhook())
	labels := map[string]string{"pinnace.test/webhook": "yes"}
	for key, value := range more {
		labels[key] = value
	}
	return labels
}

// admit answers one review of a pod with a patch of its spec.
func admit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var review admission.AdmissionReview
	var pod corev1.Pod
	if err := json.Unmarshal(body, &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := &admission.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if err := json.Unmarshal(review.Request.Object.Raw, &pod); err == nil {
		err = mutate(&pod, review.Request.Namespace)
		answer.Patch = patch(&pod.Spec)
		if err != nil {
			answer.Allowed, answer.Result = false, &metav1.Status{Message: err.Error()}
		}
	}
	kind := admission.PatchTypeJSONPatch
	answer.PatchType = &kind
	review.Response, review.Request = answer, nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

func patch(spec *corev1.PodSpec) []byte {
	out, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/spec", "value": spec}})
	if err != nil {
		panic(err) // the API server gave it
	}
	return out
}

func mutate(pod *corev1.Pod, space string) error {
	within, err := kube.Client.CoreV1().Namespaces().Get(kubeContext, space, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if within.Labels[authoritiesLabel] == "injected" {
		injectAuthorities(&pod.Spec)
	}
	if address := within.Labels[ingressLabel]; address != "" && len(pod.Spec.HostAliases) == 0 {
		pod.Spec.HostAliases = []corev1.HostAlias{{IP: address, Hostnames: []string{ingressName}}}
	}
	if within.Labels[identityLabel] != "webhook" {
		return nil
	}
	account, err := kube.Client.CoreV1().ServiceAccounts(space).Get(kubeContext, pod.Spec.ServiceAccountName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if role := account.Annotations["eks.amazonaws.com/role-arn"]; role != "" {
		injectIdentity(pod, account, role)
	}
	return nil
}

// everyContainer calls edit for each container but those that the pod's annotation leaves out.
func everyContainer(spec *corev1.PodSpec, skip string, edit func(*corev1.Container)) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if !strings.Contains(","+skip+",", ","+list[i].Name+",") {
				edit(&list[i])
			}
		}
	}
}

func injectAuthorities(spec *corev1.PodSpec) {
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "test-ca", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "authorities"}},
	}})
	everyContainer(spec, "", func(c *corev1.Container) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{
			Name: "test-ca", MountPath: strings.TrimSuffix(authorities, "/ca.crt"), ReadOnly: true,
		})
	})
}

// injectIdentity does what EKS's pod identity webhook does.
func injectIdentity(pod *corev1.Pod, account *corev1.ServiceAccount, role string) {
	seconds := int64(86400)
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "aws-iam-token", VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
			ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: audience, ExpirationSeconds: &seconds, Path: "token",
			},
		}}},
	}})
	endpoints := "regional"
	if account.Annotations["eks.amazonaws.com/sts-regional-endpoints"] == "false" {
		endpoints = "legacy"
	}
	everyContainer(&pod.Spec, pod.Annotations["eks.amazonaws.com/skip-containers"], func(c *corev1.Container) {
		for _, pair := range [][2]string{
			{"AWS_STS_REGIONAL_ENDPOINTS", endpoints},
			{"AWS_ROLE_ARN", role},
			{"AWS_WEB_IDENTITY_TOKEN_FILE", tokenFolder + "/token"},
		} {
			c.Env = append(c.Env, corev1.EnvVar{Name: pair[0], Value: pair[1]})
		}
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{
			Name: "aws-iam-token", MountPath: tokenFolder, ReadOnly: true,
		})
	})
}

// authoritiesIn puts the cluster's authority into a namespace, as ConfigMap "authorities", key ca.crt.
func authoritiesIn(t *testing.T, space string) {
	t.Helper()
	_, err := kube.Client.CoreV1().ConfigMaps(space).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "authorities"}, Data: map[string]string{"ca.crt": string(kube.AuthorityPEM())},
	}, metav1.CreateOptions{})
	must(t, err)
}
