package import HCSAPI
package import HCSModel

extension WorkloadEnvironment {
    /// What a leased command's environment must have; the rest is its user's own.
    package static func change(
        for device: Device, segment: String, interceptor: String, name: String?, simulated: Simulated?
    ) -> EnvironmentChange {
        var change = EnvironmentChange(
            set: ["HCS_SEGMENT": segment], prepend: ["LD_PRELOAD": interceptor],
            // The second would filter what HIP_VISIBLE_DEVICES leaves.
            unset: ["HCS_VRAM_QUOTA", "ROCR_VISIBLE_DEVICES"])
        change.set.merge(visibility(of: [device])) { $1 }
        if change.set[virtualDCUVariable] == nil { change.unset.append(virtualDCUVariable) }
        if let name { change.set["HCS_JOB"] = name }
        if let simulated {
            change.set["HCS_SIM_STATE"] = simulated.stateFile
            change.prepend["LD_LIBRARY_PATH"] = simulated.libraryDirectory
        }
        return change
    }
}
