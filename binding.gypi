# What binding.gyp builds in a checkout, and native/binding.gyp in the published package. Paths are relative to this file.
{
  "variables": {
    "exports_file": "native/exports.map",
    # -Dsanitize=address,undefined (scripts/build.mjs --sanitize).
    "sanitize%": "",
    # The programs that the tests run; their sources are not in the npm package.
    "build_tests%": 0,
    # A file for other machines: brings its C++ library along, which an old distribution lacks the symbols of.
    "prebuilt%": 0,
    "addon_files": [
      "native/napi/addon.cc",
      "native/napi/args.cc",
      "native/napi/checksum.cc",
      "native/napi/device/dax_device.cc",
      "native/napi/files/descriptor.cc",
      "native/napi/device/device_handle.cc",
      "native/napi/fault/fault_functions.cc",
      "native/napi/fault/isolate_client.cc",
      "native/napi/leased_memory.cc",
      "native/napi/device/open_device.cc",
      "native/napi/device/record_publisher.cc",
      "native/napi/files/small_files.cc"
    ],
    "core_files": [
      "native/checksum/crc32c.cc",
      "native/device/source.cc",
      "native/device/sysfs.cc",
      "native/device/statx.cc",
      "native/device/mapping.cc",
      "native/device/publication.cc",
      "native/sigbus/guarded_copy.cc",
      "native/sigbus/mapped_range.cc",
      "native/sigbus/fault_signals.cc",
      "native/fault/userfault.cc",
      "native/fault/vma_budget.cc",
      "native/device/backing.cc",
      "native/fault/fault_region.cc",
      "native/fault/fault_file.cc",
      "native/fault/fault_service.cc",
      "native/fault/wait_notice.cc",
      "native/persist/persist.cc",
      "native/persist/persist_x86_64.cc",
      "native/persist/persist_aarch64.cc",
      "native/persist/persist_generic.cc"
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
      "sources": ["<@(addon_files)", "<@(core_files)"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "ldflags": [
        # The signal handler outlives the worker that loaded the addon: it must never be unloaded.
        "-Wl,-z,nodelete",
        "-Wl,--version-script=<(module_root_dir)/<(exports_file)"
      ],
      "conditions": [
        ["prebuilt==1", {"ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections"]}]
      ]
    }
  ],
  "conditions": [
    ["build_tests==1", {
      "targets": [
        {
          "target_name": "persist_test",
          "type": "executable",
          "sources": [
            "test/native/persist_test.cc",
            "native/persist/persist.cc",
            "native/persist/persist_x86_64.cc",
            "native/persist/persist_aarch64.cc",
            "native/persist/persist_generic.cc"
          ],
          "include_dirs": ["native"]
        },
        {
          "target_name": "fault_test",
          "type": "executable",
          "sources": ["test/native/fault_test.cc", "<@(core_files)"],
          "include_dirs": ["native"]
        },
        {
          "target_name": "run_map_test",
          "type": "executable",
          "sources": ["test/native/run_map_test.cc"],
          "include_dirs": ["native"]
        },
        {
          "target_name": "checksum_test",
          "type": "executable",
          "sources": ["test/native/checksum_test.cc", "native/checksum/crc32c.cc"],
          "include_dirs": ["native"]
        },
        # The addon, with the recorder of its stores in place of the processor's own instructions: loaded by
        # NODE_DAX_ADDON, in a process of its own.
        {
          "target_name": "recorded",
          "sources": ["<@(addon_files)", "<@(core_files)", "test/native/recorded_persist.cc"],
          "sources!": ["native/persist/persist_x86_64.cc"],
          "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
          "ldflags": ["-Wl,-z,nodelete"]
        },
        {"target_name": "poison", "sources": ["test/native/poison.c"], "defines": ["NAPI_VERSION=8"]}
      ]
    }],
    # ThreadSanitizer goes with no other.
    ["build_tests==1 and sanitize==''", {
      "targets": [
        {
          "target_name": "fault_test_threads",
          "type": "executable",
          "sources": ["test/native/fault_test.cc", "<@(core_files)"],
          "include_dirs": ["native"],
          "cflags_cc": ["-fsanitize=thread", "-g", "-Wno-tsan"],
          "ldflags": ["-fsanitize=thread"]
        }
      ]
    }]
  ]
}
