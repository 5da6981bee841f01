using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Core;

/// <summary>A program without libtorch: this assembly and what it needs, copied without native libraries.</summary>
[TestClass]
public class NativeLibrariesTests
{
    [TestMethod]
    [DataRow("fit")]
    [DataRow("load")]
    [DataRow("library")]
    public void WithoutLibtorchTheFirstUseSaysWhatIsMissing(string use)
    {
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Append(Path.ChangeExtension(typeof(TestProcess).Assembly.Location, ".runtimeconfig.json")))
            File.Copy(file, folder.File(Path.GetFileName(file)));
        Topics.Context().Model.Save(TrainedModels.Multiclass, null, folder.File("model.mlnet"));

        using var child = TestProcess.StartIn<NativeLibrariesTests>(folder.Path, use, folder.File("model.mlnet"));
        var error = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();

        Assert.AreEqual("", error.GetAwaiter().GetResult());
        StringAssert.StartsWith(output, "made\nInvalidOperationException: TorchSharp ".ReplaceLineEndings());
        StringAssert.Contains(output, "Reference one of the packages TorchSharp-cpu,");
        Assert.AreEqual(2, output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, output);
    }

    internal static void Child(string[] args)
    {
        var ml = Topics.Context();
        var pipeline = Topics.Pipeline(ml, Topics.Options());
        Console.WriteLine("made");
        try
        {
            _ = args[0] switch
            {
                "fit" => pipeline.Fit(Topics.View(ml)),
                "load" => ml.Model.Load(args[1], out _),
                _ => (object)AdapterLibrary.Create(RobertaCheckpoint.Mini),
            };
        }
        catch (Exception thrown)
        {
            var e = thrown.GetBaseException(); // ML.NET loads by reflection, once for each step of a chain
            Console.WriteLine($"{e.GetType().Name}: {e.Message}");
        }
    }
}
