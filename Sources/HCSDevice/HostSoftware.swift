import HCSModel
package import HCSSystem

/// Files and programs of the accelerator makers on a host. A place that another release does not use costs nothing: the
/// fact is absent.
package enum HostSoftware {
    package static let pciVendors = Set(Vendor.allCases.map(\.pciVendorID))

    /// AMD's accelerators, which Hygon's backend serves; the graphics of its desktops and processors are none.
    package static let pciDevices = Set(
        RSMIModel.amdDevices.map { PCIIdentifier(vendor: RSMIModel.amdVendor, device: $0) })

    /// The kernel shows a module's version in /sys/module; the rest is where the makers' installers put it.
    package static let versions = [
        SoftwareFile("NVIDIA driver", ["/sys/module/nvidia/version"]),
        SoftwareFile("CUDA", ["/usr/local/cuda/version.json"], after: "\"cuda\""),
        SoftwareFile("Ascend driver", ["/usr/local/Ascend/driver/version.info"], after: "Version="),
        SoftwareFile(
            "CANN",
            [
                "/usr/local/Ascend/ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info",
                "/usr/local/Ascend/ascend-toolkit/latest/x86_64-linux/ascend_toolkit_install.info",
            ], after: "version="),
        SoftwareFile("Hygon driver", ["/sys/module/hydcu/version", "/sys/module/hycu/version"]),
        SoftwareFile("DTK", ["/opt/dtk/.info/version"]),
        SoftwareFile("AMD driver", ["/sys/module/amdgpu/version"]),
        SoftwareFile("ROCm", ["/opt/rocm/.info/version"]),
        SoftwareFile("Cambricon driver", ["/sys/module/cambricon_drv/version"]),
        SoftwareFile("Neuware", ["/usr/local/neuware/version.txt"]),
    ]

    package static let containerToolkits = [
        ContainerProgramSearch(
            "nvidia-container-toolkit", programs: ["nvidia-ctk", "nvidia-container-runtime", "nvidia-container-cli"]),
        ContainerProgramSearch(
            "ascend-docker-runtime", programs: ["/usr/local/Ascend/Ascend-Docker-Runtime/ascend-docker-runtime"]),
        ContainerProgramSearch("hcu-container-toolkit", programs: ["hcu-ctk", "hcu-container-runtime", "dcu-ctk"]),
    ]
}
