package overlay

// dig is what values have at a path, or nil.
func dig(values map[string]any, path ...string) any {
	var at any = values
	for _, name := range path {
		below, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = below[name]
	}
	return at
}

func mapping(values map[string]any, path ...string) map[string]any {
	m, _ := dig(values, path...).(map[string]any)
	return m
}

func list(values map[string]any, path ...string) []any {
	l, _ := dig(values, path...).([]any)
	return l
}

func text(values map[string]any, path ...string) string {
	s, _ := dig(values, path...).(string)
	return s
}

func truth(values map[string]any, path ...string) bool {
	b, _ := dig(values, path...).(bool)
	return b
}

// put sets the value at a path and makes the mappings on the way.
func put(values map[string]any, value any, path ...string) {
	for _, name := range path[:len(path)-1] {
		below, ok := values[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			values[name] = below
		}
		values = below
	}
	values[path[len(path)-1]] = value
}

// names are the texts of a list.
func names(items []any) []string {
	var all []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// nameOf is the name of an item of Kubernetes' lists.
func nameOf(item any) string {
	m, _ := item.(map[string]any)
	return text(m, "name")
}

// anyOf is the reverse of names.
func anyOf(texts []string) []any {
	all := make([]any, len(texts))
	for i, s := range texts {
		all[i] = s
	}
	return all
}
