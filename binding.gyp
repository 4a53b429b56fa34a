{"includes": ["binding.gypi"]}
