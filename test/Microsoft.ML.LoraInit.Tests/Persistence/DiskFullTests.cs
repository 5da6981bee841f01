using System.Diagnostics;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Persistence;

[TestClass]
public class DiskFullTests
{
    [TestMethod]
    public void AFullDiskIsAnErrorAndLeavesNoModel()
    {
        using var folder = new TemporaryFolder();
        if (!OperatingSystem.IsLinux() || Run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder.Path) != 0)
            Assert.Inconclusive("A full file system needs root on Linux, where a small one can be mounted.");
        try
        {
            var ml = Topics.Context();

            Assert.ThrowsExactly<IOException>(() => ml.Model.Save(TrainedModels.Multiclass, null, folder.File("model.mlnet")));

            Assert.ThrowsExactly<FormatException>(() =>
            {
                try
                {
                    ml.Model.Load(folder.File("model.mlnet"), out _);
                }
                catch (Exception e) when (e is not FormatException)
                {
                    throw new FormatException(e.Message, e);
                }
            }, "what ML.NET left of the file must not load");
        }
        finally
        {
            Run("umount", folder.Path);
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }
}
