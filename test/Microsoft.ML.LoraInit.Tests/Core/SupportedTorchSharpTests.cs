using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Core;

/// <summary>Which versions of TorchSharp the library works with, and what it says of others.</summary>
[TestClass]
public class SupportedTorchSharpTests
{
    [TestMethod]
    public void TheVersionLoadedIsTheOneAskedForAndCalledTested()
    {
        var asked = BuildSettings.Get("TorchSharpVersion");

        Assert.AreEqual(Version.Parse(asked), SupportedTorchSharp.Loaded);
        Assert.AreEqual(SupportedTorchSharp.Loaded, SupportedTorchSharp.Tested, "Tests that pass on a version are the reason to call it tested.");
    }

    [TestMethod]
    public void TheTestedAndTheOldestVersionAreDocumented()
    {
        var text = File.ReadAllText(BuildSettings.Source("docs", "packages.md"));
        StringAssert.Contains(text, $"| {SupportedTorchSharp.Tested} |");
        StringAssert.Contains(text, $"| {SupportedTorchSharp.Oldest} ");
    }

    [TestMethod]
    public void TheTestedVersionIsNotRemarkedOn() => Assert.IsNull(SupportedTorchSharp.Warning(new(0, 107, 0)));

    [TestMethod]
    [DataRow("0.102.7")]
    [DataRow("0.106.0")]
    [DataRow("0.108.0")]
    [DataRow("1.0.0")]
    public void AnotherVersionIsNamedWithTheTestedOne(string version)
    {
        var warning = SupportedTorchSharp.Warning(Version.Parse(version));

        StringAssert.Contains(warning, version);
        StringAssert.Contains(warning, "tested with 0.107.0");
    }

    [TestMethod]
    [DataRow("0.102.6")]
    [DataRow("0.98.1")]
    public void AnOlderVersionIsRefused(string version)
    {
        var error = Assert.ThrowsExactly<NotSupportedException>(() => SupportedTorchSharp.Warning(Version.Parse(version)));

        StringAssert.Contains(error.Message, version);
        StringAssert.Contains(error.Message, "TorchSharp-cpu");
    }
}
