import ArgumentParser

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this host has: vendor libraries, probes, kernel log, cgroups (done by hcs-agent).",
        discussion: """
            Examples:
              hcs doctor
              hcs doctor --output json
            """)

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("Arguments of hcs-agent doctor.", valueName: "arguments"))
    var arguments: [String] = []

    func run() throws { try AgentPrograms.exec(["doctor"] + arguments) }
}
