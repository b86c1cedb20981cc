import HCSModel

/// A workload of the demo: a plain client of one vendor's runtime that knows nothing of HCS.
struct DemoWorkload {
    var name: String
    var runtime: Runtime
    var vram: String
    /// Steps of the client program (`CSources/clients`).
    var steps: [String]
    /// What one of the steps asks for in vain, with the answer of the vendor's runtime; nil = asks for nothing too much.
    var refused: (what: String, code: Int)?

    /// The five of step 2. Sizes are odd on purpose: drivers round them up and HCS counts what was asked for.
    static let five: [DemoWorkload] = [
        DemoWorkload(
            name: "train-a", runtime: .cuda, vram: "8Gi",
            steps: ["alloc", "3G", "hold", "2", "alloc", "1G", "print", "still served", "hold", "600"], refused: nil),
        DemoWorkload(
            name: "train-b", runtime: .cuda, vram: "6Gi",
            steps: [
                "fork-alloc", "4Gi", "2", "expect", "2", "alloc", "1G", "alloc", "5G", "expect", "2", "hold", "600",
            ], refused: ("5G", 2)),
        DemoWorkload(
            name: "ascend-a", runtime: .acl, vram: "16Gi",
            steps: ["alloc", "9G", "alloc", "10G", "expect", "207001", "hold", "600"], refused: ("10G", 207001)),
        DemoWorkload(
            name: "hygon-a", runtime: .hip, vram: "12Gi",
            steps: ["alloc", "7G", "alloc", "8G", "expect", "2", "hold", "600"], refused: ("8G", 2)),
        DemoWorkload(
            name: "cambricon-a", runtime: .cnrt, vram: "10Gi",
            steps: ["alloc", "5G", "alloc", "8G", "expect", "100100", "hold", "600"], refused: ("8G", 100100)),
    ]

    /// Line of its output after which it only holds what it has.
    static let settled = "hold 600"

    func submitArguments(_ bench: Workbench) -> [String] {
        ["submit", "--name", name, "--runtime", runtime.rawValue, "--vram", vram, "--", bench.client(runtime.rawValue)]
            + steps
    }
}
