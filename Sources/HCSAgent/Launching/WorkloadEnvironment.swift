package import HCSModel

/// The environment of a workload (conventions, "Environment of a workload"): explicit, nothing of the agent's own.
package enum WorkloadEnvironment {
    /// Where a simulated device's vendor libraries and host state are.
    package struct Simulated: Hashable, Sendable {
        package var libraryDirectory: String
        package var stateFile: String

        package init(libraryDirectory: String, stateFile: String) {
            self.libraryDirectory = libraryDirectory
            self.stateFile = stateFile
        }
    }

    package static let searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// The variable that narrows what a vendor's runtime sees. HIP_VISIBLE_DEVICES is never set together with
    /// ROCR_VISIBLE_DEVICES: the second filters the first's result.
    package static func visibilityVariable(of vendor: Vendor) -> String {
        switch vendor {
        case .nvidia: "CUDA_VISIBLE_DEVICES"
        case .ascend: "ASCEND_RT_VISIBLE_DEVICES"
        case .hygon: "HIP_VISIBLE_DEVICES"
        case .cambricon: "MLU_VISIBLE_DEVICES"
        }
    }

    /// - Parameters:
    ///   - devices: those granted, in the order in which the workload counts them.
    ///   - simulated: given when the devices are simulated.
    /// - Throws: `refused` for a variable in `spec` that is HCS's own.
    package static func make(
        spec: WorkloadSpec, devices: [Device], segment: String, interceptor: String, home: String, userName: String,
        simulated: Simulated?
    ) throws(AgentError) -> [String: String] {
        var result = ["PATH": searchPath, "LANG": "C.UTF-8", "HOME": home, "USER": userName, "LOGNAME": userName]
        for (name, value) in spec.environment {
            guard !WorkloadSpec.isReserved(variable: name), !(simulated != nil && name == "HCS_SIM_STATE") else {
                throw AgentError(.refused, "environment variable \(name) is set by HCS itself")
            }
            result[name] = value
        }
        result["LD_PRELOAD"] = interceptor
        result["HCS_SEGMENT"] = segment
        for vendor in Vendor.allCases {
            let own = devices.filter { $0.vendor == vendor }
            result[visibilityVariable(of: vendor)] =
                own.map { vendor == .nvidia ? $0.id.uuid : String($0.index) }.joined(separator: ",")
        }
        if let simulated {
            let theirs = spec.environment["LD_LIBRARY_PATH"].map { ":\($0)" } ?? ""
            result["LD_LIBRARY_PATH"] = simulated.libraryDirectory + theirs
            result["HCS_SIM_STATE"] = simulated.stateFile
        }
        return result
    }
}
