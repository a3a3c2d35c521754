package dir

var Explain = explain
