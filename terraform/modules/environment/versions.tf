terraform {
  required_version = ">= 1.11"

  required_providers {
    # The modules below use it; its range is said where people look for it.
    # tflint-ignore: terraform_unused_required_providers
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 7.0"
    }
  }
}
