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

    /// Every vendor's variables for the devices granted, in their order: those of a vendor that has none are none.
    /// A virtual DCU has its card's index, which HIP takes once, and a number of its own for Hygon's container toolkit.
    package static func visibility(of devices: [Device]) -> [String: String] {
        var result: [String: String] = [:]
        for vendor in Vendor.allCases {
            var names: [String] = []
            for device in devices where device.vendor == vendor {
                let name = vendor == .nvidia ? device.id.uuid : String(device.index)
                if !names.contains(name) { names.append(name) }
            }
            result[visibilityVariable(of: vendor)] = names.joined(separator: ",")
        }
        let virtual = devices.filter { $0.vendor == .hygon }.compactMap(\.details.partition?.virtualDCU)
        if !virtual.isEmpty { result[virtualDCUVariable] = virtual.map(String.init).joined(separator: ",") }
        return result
    }

    package static let virtualDCUVariable = "VHCU_VISIBLE_DEVICES"

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
        result.merge(visibility(of: devices)) { $1 }
        if let simulated {
            let theirs = spec.environment["LD_LIBRARY_PATH"].map { ":\($0)" } ?? ""
            result["LD_LIBRARY_PATH"] = simulated.libraryDirectory + theirs
            result["HCS_SIM_STATE"] = simulated.stateFile
        }
        return result
    }
}
