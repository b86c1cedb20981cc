import CVendorHooks
import HCSModel
import HCSSystem

/// The vendors' libraries that device memory is taken through, by the start of their names.
struct RuntimeLibrary: Equatable {
    var stem: String
    var vendor: Vendor
    /// False for a library below the lowest layer that the preload library answers.
    var isCovered = true

    static let all = [
        RuntimeLibrary(stem: "libcuda", vendor: .nvidia),
        RuntimeLibrary(stem: "libcudart", vendor: .nvidia),
        RuntimeLibrary(stem: "libascendcl", vendor: .ascend),
        RuntimeLibrary(stem: "libacl_rt", vendor: .ascend),
        RuntimeLibrary(stem: "libacl_rt_impl", vendor: .ascend),
        RuntimeLibrary(stem: "libascend_hal", vendor: .ascend, isCovered: false),
        RuntimeLibrary(stem: "libamdhip64", vendor: .hygon),
        RuntimeLibrary(stem: "libgalaxyhip", vendor: .hygon),
        RuntimeLibrary(stem: "libhsa-runtime64", vendor: .hygon, isCovered: false),
        RuntimeLibrary(stem: "libcnrt", vendor: .cambricon),
        RuntimeLibrary(stem: "libcndrv", vendor: .cambricon),
    ]

    /// The one that a file name belongs to: `libcudart.so.12`, and `libcudart-9335f6a2.so.12` as Python wheels have it.
    static func of(_ path: String) -> RuntimeLibrary? {
        guard let name = path.split(separator: "/").last else { return nil }
        return all.first { library in
            guard name.hasPrefix(library.stem) else { return false }
            let rest = name.dropFirst(library.stem.count)
            return rest.hasPrefix(".so") || (rest.hasPrefix("-") && rest.contains(".so"))
        }
    }

    /// Names under which a program opens a runtime library itself.
    static let openedNames: [String] = all.flatMap { library -> [String] in
        library.isCovered ? ["\(library.stem).so"] : []
    }
}

/// What `hcs inspect` asks every file for.
enum InspectionInterest {
    /// Every name that the preload library answers.
    static let hooks: Set<String> = {
        var names: Set<String> = []
        while let name = hcs_hook_name(names.count) { names.insert(String(cString: name)) }
        return names
    }()

    /// Host programs that nvcc makes carry the device code in one of these.
    static let deviceCode: Set<String> = [".nv_fatbin", ".nvFatBinSegment"]
    /// A word of the CUDA runtime's own lookup of the driver: in a file that does not need libcudart, it is linked in.
    static let staticRuntime = "cudaGetDriverEntryPoint"

    static let all = ELFInterest(
        symbols: hooks.union(["dlopen", "dlmopen"]), sections: deviceCode,
        texts: [staticRuntime] + RuntimeLibrary.openedNames)
}
