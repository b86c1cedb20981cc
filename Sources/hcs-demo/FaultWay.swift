import Foundation
import HCSModel

/// How the demo tells of a fault: through the kernel's own log where that harms nobody, else through a file that stands
/// for it (conventions, "Faults and simulation").
struct FaultWay {
    let isKernelLog: Bool
    /// A sentence for the person who watches.
    let explanation: String

    /// `hcs simulate xid --kmsg` itself refuses where a vendor's driver is loaded or the host has the PCI domain; what is
    /// decided here is whether the agent would hear it.
    static func choose(probes: [ProbeStatus]) -> FaultWay {
        guard geteuid() == 0 else { return simulated("only root may write to /dev/kmsg") }
        guard let probe = probes.first(where: { $0.state == .attached }) else {
            let states = probes.map { "\($0.name) is \($0.state.rawValue): \($0.detail)" }.joined(separator: "; ")
            return simulated("the eBPF probe is not attached (\(states.isEmpty ? "the agent has none" : states))")
        }
        guard access("/dev/kmsg", W_OK) == 0 else { return simulated("/dev/kmsg cannot be written here") }
        return FaultWay(
            isKernelLog: true,
            explanation: "The line goes into the real kernel log; the eBPF probe '\(probe.name)' wakes the reader. "
                + "No vendor driver is loaded here, and no host has the simulated card's PCI domain.")
    }

    static func simulated(_ why: String) -> FaultWay {
        FaultWay(isKernelLog: false, explanation: "The line goes into a simulated kernel log, because \(why).")
    }
}
