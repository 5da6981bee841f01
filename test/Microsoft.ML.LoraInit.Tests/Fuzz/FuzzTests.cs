using System.Diagnostics;
using System.Reflection;

namespace Microsoft.ML.LoraInit.Tests.Fuzz;

[TestClass]
public sealed class FuzzTests
{
    /// <summary>In a process of its own, whose files, handles and memory are counted. More inputs: the program's option <c>--inputs</c>.</summary>
    [TestMethod]
    public void MutatedFilesOfEveryFormatAreReadOrRefusedByType()
    {
        var program = typeof(FuzzTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Fuzz").Value!;
        var start = new ProcessStartInfo("dotnet", ["exec", program, "--inputs", "3300"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, output.Result + error.Result);
        StringAssert.Contains(output.Result, "3300 inputs");
    }
}
