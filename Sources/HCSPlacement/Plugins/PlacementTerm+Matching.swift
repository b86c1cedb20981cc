import HCSModel

extension PlacementTerm {
    /// A version that nobody knows satisfies no comparison but `!=`.
    func holds(for device: Device, of node: NodeState) -> Bool {
        let found = found(on: device, of: node)
        switch relation {
        case .equal: return found.contains { matches($0) }
        case .notEqual: return !found.contains { matches($0) }
        case .atLeast: return found.contains { Self.compare($0, value) >= 0 }
        case .atMost: return found.contains { Self.compare($0, value) <= 0 }
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
        if key == .driver || key == .runtime, !value.contains("*"), Self.compare(text, value) == 0 { return true }
        return Self.glob(Array(value.lowercased().utf8), Array(text.lowercased().utf8))
    }

    /// `*` stands for any text, the empty one too. Linear in both: it goes back to the last star only.
    private static func glob(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var p = 0
        var t = 0
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// By the numbers in them: `535.104` is before `550`, `12.4` is `12.4.0`.
    static func compare(_ a: String, _ b: String) -> Int {
        func numbers(_ text: String) -> [Int] {
            text.split(whereSeparator: { !$0.isASCII || !$0.isNumber }).map { Int($0) ?? .max }
        }
        let x = numbers(a)
        let y = numbers(b)
        for i in 0..<max(x.count, y.count) {
            let left = i < x.count ? x[i] : 0
            let right = i < y.count ? y[i] : 0
            if left != right { return left < right ? -1 : 1 }
        }
        return 0
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
