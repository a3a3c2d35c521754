// Package terraform runs the real Terraform with terraform/environments on localaws, and then publishes, delivers,
// rotates and intrudes with the roles and policies from its state. It is a module of its own, so that nobody who uses
// pinnace downloads what only these tests need.
//
//	go test -v ./...
//
// Without terraform, or without a mirror of hashicorp/aws (PINNACE_TERRAFORM_MIRROR, or where packages put one), the
// tests are skipped; without moto_server the cross-check on moto is.
package terraform
