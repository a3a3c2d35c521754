package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Address is one of the host that nobody else has: a server there is reached from pods and from the host.
func (c *Cluster) Address() string {
	n := c.addresses.Add(1)
	return fmt.Sprintf("10.245.%d.%d", n/250, n%250+1)
}

// publishKeys lets everybody read the keys of the tokens, as EKS does.
func (c *Cluster) publishKeys(ctx context.Context) error {
	_, err := c.Client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "keys-for-everybody"},
		RoleRef: rbacv1.RoleRef{
			APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:service-account-issuer-discovery",
		},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:unauthenticated"}},
	}, metav1.CreateOptions{})
	return err
}

// Stored is all that etcd holds, by its keys.
func (c *Cluster) Stored(ctx context.Context) (map[string][]byte, error) {
	all := map[string][]byte{}
	from := []byte{0}
	for {
		var page struct {
			KVs  []struct{ Key, Value []byte }
			More bool
		}
		ask, err := json.Marshal(map[string]any{"key": from, "range_end": []byte{0}, "limit": 200})
		if err != nil {
			return nil, err
		}
		if err := post(ctx, "http://"+etcdAddress+"/v3/kv/range", ask, &page); err != nil {
			return nil, fmt.Errorf("reading etcd: %w", err)
		}
		for _, kv := range page.KVs {
			all[string(kv.Key)] = kv.Value
			from = append(kv.Key, 0)
		}
		if !page.More {
			return all, nil
		}
	}
}

func post(ctx context.Context, url string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
