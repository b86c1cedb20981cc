import ArgumentParser
import Foundation
import HCSModel
import HCSSystem

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Say beforehand whether a quota will hold for a program.",
        discussion: """
            The program is read, never run: how it is linked, its loader, its rights, and the vendors' libraries that it \
            would load. A name without a slash is a file here, else a command of PATH. The loader's search uses this \
            environment's LD_LIBRARY_PATH.

            Exit codes: 0 the quota holds, holds in part, or no vendor's library is seen; 1 it does not hold for one of \
            the programs; 66 one of them is not there or no program.

            Examples:
              hcs inspect ./train
              hcs inspect python3 /opt/app/extension.so --output json
            """)

    @Argument(help: ArgumentHelp("Programs, scripts or shared libraries.", valueName: "program"), completion: .file())
    var programs: [String]

    @OptionGroup var format: OutputOptions

    /// What goes out as JSON.
    struct Report: Codable, Equatable {
        var programs: [Inspection]
    }

    func run() throws {
        let environment = ProcessInfo.processInfo.environment
        var report = Report(programs: [])
        var failures: [String] = []
        for program in programs {
            do throws(SystemError) {
                report.programs.append(try Self.inspect(program, environment: environment))
            } catch {
                failures.append(error.message)
            }
        }
        if !report.programs.isEmpty { try format.show(report, table: Self.text) }
        guard failures.isEmpty else { throw CommandFailure(.noSuchThing, failures.joined(separator: "\nhcs: ")) }
        if report.programs.contains(where: { $0.verdict == .doesNotHold }) { throw ExitCode(1) }
    }

    static func inspect(_ program: String, environment: [String: String]) throws(SystemError) -> Inspection {
        let commandPath = environment["PATH"] ?? "/usr/bin:/bin"
        var path = program
        if !program.contains("/"), access(program, F_OK) != 0 {
            path = ProgramImage.command(program, in: commandPath) ?? program
        }
        var image = try ProgramImage(
            reading: path, search: LoaderSearch(libraryPath: environment["LD_LIBRARY_PATH"]), commandPath: commandPath,
            InspectionInterest.all)
        image.requested = program
        return Inspection(of: image)
    }

    static func text(_ report: Report, _ style: Style) -> String {
        report.programs.map { text($0, style) }.joined(separator: "\n\n")
    }

    private static func text(_ inspection: Inspection, _ style: Style) -> String {
        var lines = ["\(style.bold(printable(inspection.program))): \(paint(inspection, style))"]
        for reason in inspection.reasons {
            lines.append("  \(printable(reason.detail))")
            lines.append(style.dim("    -> \(printable(reason.action))"))
        }
        return lines.joined(separator: "\n")
    }

    private static func paint(_ inspection: Inspection, _ style: Style) -> String {
        switch inspection.verdict {
        case .holds: style.band(.healthy, inspection.title)
        case .holdsInPart: style.band(.degraded, inspection.title)
        case .doesNotHold: style.band(.failed, inspection.title)
        case .noVendorLibrary: inspection.title
        }
    }

    /// Names come out of foreign files: a control character must not move the cursor.
    private static func printable(_ text: String) -> String {
        String(text.map { $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "?" : $0 })
    }
}
