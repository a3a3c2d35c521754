package cli

import (
	"context"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/identity"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/dir"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
)

// openStore opens the place of a repository, with the person's own AWS identity.
func openStore(ctx context.Context, at chartrepo.Location, region string) (objstore.Store, error) {
	if at.Scheme == chartrepo.SchemeFile {
		return dir.New(at.Path), nil
	}
	cfg, err := identity.Person(ctx, identity.Options{Region: region})
	if err != nil {
		return nil, err
	}
	return s3.Open(cfg, at.Bucket, at.Prefix), nil
}
