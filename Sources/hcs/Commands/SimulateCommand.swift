import ArgumentParser

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Create, show and change a simulated host (done by hcs-agent).",
        discussion: """
            Examples:
              hcs simulate --help
              hcs simulate show --output json
            """)

    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("Arguments of hcs-agent simulate.", valueName: "arguments"))
    var arguments: [String] = []

    func run() throws { try AgentPrograms.exec(["simulate"] + arguments) }
}
