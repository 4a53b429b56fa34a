{
  "variables": {
    "sanitize%": "",
    "core_sources": [
      "native/source.cc",
      "native/sysfs.cc",
      "native/mapping.cc",
      "native/guarded_copy.cc",
      "native/mapped_range.cc",
      "native/sigbus.cc",
      "native/persist.cc",
      "native/persist_x86_64.cc",
      "native/persist_aarch64.cc",
      "native/persist_generic.cc"
    ]
  },
  "target_defaults": {
    "cflags_cc": ["-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"],
    "conditions": [
      ["sanitize!=''", {
        "cflags_cc": ["-fsanitize=<(sanitize)", "-fno-omit-frame-pointer", "-g"],
        "ldflags": ["-fsanitize=<(sanitize)"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "node_dax",
      "sources": ["native/addon.cc", "native/args.cc", "native/dax_device.cc", "<@(core_sources)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      # The signal handler outlives the worker that loaded the addon: it must never be unloaded.
      "ldflags": ["-Wl,-z,nodelete"]
    },
    {
      "target_name": "persist_test",
      "type": "executable",
      "sources": ["test/native/persist_test.cc", "native/persist.cc", "native/persist_x86_64.cc", "native/persist_aarch64.cc", "native/persist_generic.cc"],
      "include_dirs": ["native"]
    }
  ]
}
