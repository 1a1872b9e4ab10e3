package aws

// Golden is golden for the tests that see the package from outside.
var Golden = golden
