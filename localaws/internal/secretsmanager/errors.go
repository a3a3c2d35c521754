package secretsmanager

import (
	"net/http"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func invalidParameter(format string, args ...any) *api.Error {
	return api.Errorf("InvalidParameterException", http.StatusBadRequest, format, args...)
}

func invalidRequest(format string, args ...any) *api.Error {
	return api.Errorf("InvalidRequestException", http.StatusBadRequest, format, args...)
}

func resourceNotFound(format string, args ...any) *api.Error {
	return api.Errorf("ResourceNotFoundException", http.StatusBadRequest, format, args...)
}

func resourceExists(format string, args ...any) *api.Error {
	return api.Errorf("ResourceExistsException", http.StatusBadRequest, format, args...)
}

func limitExceeded(format string, args ...any) *api.Error {
	return api.Errorf("LimitExceededException", http.StatusBadRequest, format, args...)
}

// validation is how AWS refuses a member outside the model's constraints, before the service itself sees the call.
func validation(format string, args ...any) *api.Error {
	return api.Errorf("ValidationException", http.StatusBadRequest, format, args...)
}

func tooLong(member string, most int) *api.Error {
	return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: "+
		"Member must have length less than or equal to %d", member, most)
}

func outOfRange(member string, least, most int64) *api.Error {
	return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: "+
		"Member must be between %d and %d", member, least, most)
}

func noSuchSecret() *api.Error {
	return resourceNotFound("Secrets Manager can't find the specified secret.")
}

func internalError(err error) *api.Error {
	return api.Errorf("InternalServiceError", http.StatusInternalServerError, "%v", err)
}
