import Foundation
import HCSAPI
import HCSModel

/// Why a command ends without having done its work: one line for a person and a code for a script.
struct CommandFailure: Error, Equatable, CustomStringConvertible {
    /// The codes of sysexits.h that `hcs` uses.
    enum Code: Int32, Sendable {
        case usage = 64
        case badData = 65
        case noSuchThing = 66
        case unavailable = 69
        case software = 70
        case tryAgain = 75
        case protocolError = 76
        case noPermission = 77
        case configuration = 78
    }

    var code: Code
    var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// nil for an error that belongs to the argument parser, which prints usage with it.
    init?(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let problem as APIProblem: self.init(problem)
        case let error as ModelError: self.init(.badData, error.message)
        case let error as ClientError:
            self.init(error.code == .unreachable ? .unavailable : .protocolError, error.message)
        default: return nil
        }
    }

    init(_ problem: APIProblem) {
        switch problem.status {
        case 401:
            self.init(
                .noPermission,
                "\(problem.description) (give the scheduler's admin token with --token-file or HCS_TOKEN_FILE)")
        case 403: self.init(.noPermission, problem.description)
        case 404: self.init(.noSuchThing, problem.description)
        case 429: self.init(.tryAgain, problem.description)
        case 400..<500: self.init(.badData, problem.description)
        default: self.init(.software, problem.description)
        }
    }

    var description: String { message }
}
