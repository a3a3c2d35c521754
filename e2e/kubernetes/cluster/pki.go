package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// authority signs everything in a cluster, for two days.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate(pkix.Name{CommonName: "pinnace-e2e"})
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &authority{certificate: parsed, key: key}, err
}

func certificate(subject pkix.Name) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // never fails
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
	}
}

func (a *authority) pem() []byte { return encode("CERTIFICATE", a.certificate.Raw) }

// issue makes a certificate for a client, and for a server on hosts, which are addresses or names.
func (a *authority) issue(subject pkix.Name, hosts ...string) (certificatePEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := certificate(subject)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err = encodeKey(key)
	return encode("CERTIFICATE", der), keyPEM, err
}

// Certificate makes one that the cluster's authority signed, for a server that the tests run.
func (c *Cluster) Certificate(hosts ...string) (tls.Certificate, error) {
	certificatePEM, keyPEM, err := c.authority.issue(pkix.Name{CommonName: hosts[0]}, hosts...)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate for %v: %w", hosts, err)
	}
	return tls.X509KeyPair(certificatePEM, keyPEM)
}

// AuthorityPEM is the certificate of the cluster's authority.
func (c *Cluster) AuthorityPEM() []byte { return c.authority.pem() }

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return encode("PRIVATE KEY", der), err
}

// user is who a component is to the API server.
type user struct {
	file          string // that its certificate, key and kubeconfig begin with
	name          string
	organizations []string
	hosts         []string
}

var users = []user{
	{file: "apiserver", name: "kube-apiserver", hosts: []string{
		"127.0.0.1", Gateway, serviceAddress, "localhost", "kubernetes", "kubernetes.default.svc",
	}},
	{file: "admin", name: "admin", organizations: []string{"system:masters"}},
	{file: "controllers", name: "system:kube-controller-manager"},
	{file: "scheduler", name: "system:kube-scheduler"},
	{
		file: "node", name: "system:node:" + Node, organizations: []string{"system:nodes"},
		hosts: []string{"127.0.0.1", Gateway, Node},
	},
}

// writePKI makes all keys and certificates in the cluster's folder.
func (c *Cluster) writePKI() (err error) {
	if c.authority, err = newAuthority(); err != nil {
		return err
	}
	tokens, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	signing, err := encodeKey(tokens)
	if err != nil {
		return err
	}
	files := map[string][]byte{"ca.crt": c.authority.pem(), "tokens.key": signing}
	for _, u := range users {
		cert, key, err := c.authority.issue(pkix.Name{CommonName: u.name, Organization: u.organizations}, u.hosts...)
		if err != nil {
			return err
		}
		files[u.file+".crt"], files[u.file+".key"] = cert, key
		if files[u.file+".kubeconfig"], err = kubeconfig(c.authority.pem(), cert, key); err != nil {
			return err
		}
	}
	for name, content := range files {
		if err := os.WriteFile(c.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig is JSON, which is YAML.
func kubeconfig(authority, certificate, key []byte) ([]byte, error) {
	type object map[string]any
	return json.Marshal(object{
		"apiVersion": "v1", "kind": "Config", "current-context": "e2e",
		"contexts": []object{{"name": "e2e", "context": object{"cluster": "e2e", "user": "e2e"}}},
		"clusters": []object{{"name": "e2e", "cluster": object{
			"server": Issuer, "certificate-authority-data": authority,
		}}},
		"users": []object{{"name": "e2e", "user": object{
			"client-certificate-data": certificate, "client-key-data": key,
		}}},
	})
}
