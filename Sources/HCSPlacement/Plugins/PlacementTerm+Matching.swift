import HCSModel

extension PlacementTerm {
    /// A version that nobody knows satisfies no comparison but `!=`.
    func holds(for device: Device, of node: NodeState) -> Bool {
        let found = found(on: device, of: node)
        switch relation {
        case .equal: return found.contains { matches($0) }
        case .notEqual: return !found.contains { matches($0) }
        case .atLeast: return found.contains { DottedVersion.compare($0, value) >= 0 }
        case .atMost: return found.contains { DottedVersion.compare($0, value) <= 0 }
        }
    }

    /// What the term is compared with, on this device.
    func found(on device: Device, of node: NodeState) -> [String] {
        switch key {
        case .vendor:
            // A card behind another maker's library has two names.
            return [device.vendor.rawValue] + (device.details.maker.map { [$0] } ?? [])
        case .model: return device.modelName == device.model ? [device.model] : [device.model, device.modelName]
        case .node: return [node.name]
        case .driver: return device.driverVersion.map { [$0] } ?? []
        case .runtime:
            let names = device.vendor.runtimeNames
            let installed = node.software.filter { names.contains($0.name) }.map(\.version)
            return installed.isEmpty ? device.details.runtimeVersion.map { [$0] } ?? [] : installed
        }
    }

    /// Plain versions are equal in number: `12.4` is `12.4.0` no less than `12.04`.
    private func matches(_ text: String) -> Bool {
        if key == .driver || key == .runtime, !value.contains("*"), DottedVersion.compare(text, value) == 0 {
            return true
        }
        return NamePattern.matches(value, text)
    }
}

extension Vendor {
    /// What the agent calls the maker's runtime among the installed software.
    fileprivate var runtimeNames: [String] {
        switch self {
        case .nvidia: ["CUDA"]
        case .ascend: ["CANN"]
        case .hygon: ["DTK", "ROCm"]
        case .cambricon: ["Neuware"]
        }
    }
}
