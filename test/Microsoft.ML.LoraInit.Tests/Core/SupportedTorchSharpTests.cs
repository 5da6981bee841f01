using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Tests.Packaging;

namespace Microsoft.ML.LoraInit.Tests.Core;

/// <summary>Which versions of TorchSharp the library works with, and what it says of others.</summary>
[TestClass]
public class SupportedTorchSharpTests
{
    [TestMethod]
    public void TheVersionTestedIsKnownAndTheOneAskedFor()
    {
        var asked = BuildSettings.Get("TorchSharpVersion");

        Assert.AreEqual(Version.Parse(asked), SupportedTorchSharp.Loaded);
        CollectionAssert.Contains(SupportedTorchSharp.Known.ToList(), SupportedTorchSharp.Loaded, "Tests that pass on a version are the reason to list it.");
    }

    [TestMethod]
    public void EveryKnownVersionIsDocumented()
    {
        var text = File.ReadAllText(BuildSettings.Source("docs", "packages.md"));
        foreach (var version in SupportedTorchSharp.Known)
            StringAssert.Contains(text, $"| {version} |");
    }

    [TestMethod]
    [DataRow("0.102.7")]
    [DataRow("0.106.0")]
    [DataRow("0.107.0")]
    public void AKnownVersionIsNotRemarkedOn(string version) => Assert.IsNull(SupportedTorchSharp.Warning(Version.Parse(version)));

    [TestMethod]
    [DataRow("0.104.0")]
    [DataRow("0.108.0")]
    [DataRow("1.0.0")]
    public void AnUnknownVersionIsNamedWithTheKnownOnes(string version)
    {
        var warning = SupportedTorchSharp.Warning(Version.Parse(version));

        StringAssert.Contains(warning, version);
        StringAssert.Contains(warning, "0.102.7, 0.106.0 and 0.107.0");
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

    [TestMethod]
    public void TheKnownVersionsAreAscending() => CollectionAssert.AreEqual(SupportedTorchSharp.Known.Order().ToList(), SupportedTorchSharp.Known.ToList());
}
