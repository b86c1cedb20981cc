import ArgumentParser

struct FingerprintCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fingerprint",
        abstract: "Show theoretical and measured throughput of this host's devices and processors (done by hcs-agent).",
        discussion: """
            Examples:
              hcs fingerprint
              hcs fingerprint --measure nvidia:0
              hcs fingerprint --measure --cpu
              hcs fingerprint --output json
            """)

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("Arguments of hcs-agent fingerprint.", valueName: "arguments"))
    var arguments: [String] = []

    func run() throws { try AgentPrograms.exec(["fingerprint"] + arguments) }
}
