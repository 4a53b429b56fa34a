# For who builds the published package, which has no binding.gyp at its top: yarn 1 would compile it at every installation.
{"includes": ["../binding.gypi"]}
