import Diagnostics
import Testing

@Suite struct ShortListTests {
  @Test func namesThreeAndCountsTheRest() {
    #expect([String]().firstThree == "")
    #expect(["a", "b", "c"].firstThree == "a, b, c")
    #expect((1...65).map(String.init).firstThree == "1, 2, 3 and 62 more")
  }

  @Test func aListOfErrorsShowsThreeOfManyAlike() throws {
    struct Missing: UserFacingError {
      let name: String
      var description: String { "\(name) is missing" }
      var exitStatus: Diagnostics.ExitStatus { .missingInput }
    }
    let errors = (1...65).map { Missing(name: "f\($0)") }
    let error = #expect(throws: ErrorList.self) { try ErrorList.throwIfAny(errors, showing: 3) }
    #expect(error?.description == "f1 is missing\nf2 is missing\nf3 is missing\nand 62 more")
    #expect(error?.errors.count == 65 && error?.exitStatus == .missingInput)
    let all = #expect(throws: ErrorList.self) { try ErrorList.throwIfAny(errors) }
    #expect(all?.description.split(separator: "\n").count == 65)
    #expect(throws: Missing.self) { try ErrorList.throwIfAny([errors[0]], showing: 3) }
  }
}
