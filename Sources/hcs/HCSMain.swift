import ArgumentParser
import Foundation
import HCSAPI

/// Runs the command and turns every failure into one line on standard error and a sysexits code.
@main
enum HCSMain {
    static func main() async {
        // A reader that goes away (`hcs workloads | head -1`) is no failure worth a signal in the middle of a table.
        signal(SIGPIPE, SIG_DFL)
        do {
            var command = try HCSCommand.parseAsRoot(GlobalOptions.moved(Array(CommandLine.arguments.dropFirst())))
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as ExitCode {
            exit(error.rawValue)
        } catch {
            guard let failure = CommandFailure(error) else { HCSCommand.exit(withError: error) }
            FileHandle.standardError.write(Data("hcs: \(failure.message)\n".utf8))
            exit(failure.code.rawValue)
        }
    }
}
