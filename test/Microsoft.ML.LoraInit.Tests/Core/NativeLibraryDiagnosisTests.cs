using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Tests.Core;

/// <summary>What is said of native libraries that cannot be loaded, for systems that these tests do not run on.</summary>
[TestClass]
public class NativeLibraryDiagnosisTests
{
    private static readonly NativeLibraryFacts Complete = new()
    {
        Platform = "linux-x64",
        TorchSharp = new(0, 107, 0),
        Folders = ["/app", "/app/runtimes/linux-x64/native"],
        Binding = "/app/libLibTorchSharp.so",
        Libtorch = "/app/libtorch_cpu.so",
    };

    [TestMethod]
    public void WithoutAPackageOfLibtorchThePackagesAndTheFoldersAreNamed() =>
        Says(Complete with { Libtorch = null }, "libtorch is not there", "TorchSharp-cpu, TorchSharp-cuda-linux and TorchSharp-cuda-windows, in version 0.107.0", "'/app/runtimes/linux-x64/native'");

    [TestMethod]
    public void WithoutTorchSharpsOwnLibraryThePlatformIsNamed() => Says(Complete with { Binding = null }, "TorchSharp's own one is not there", "publish the program for linux-x64");

    [TestMethod]
    [DataRow("linux-arm64")]
    [DataRow("win-arm64")]
    [DataRow("osx-x64")]
    public void APlatformWithoutPackagesIsNamedWithThoseThatHaveThem(string platform) =>
        Says(Complete with { Platform = platform, Libtorch = null, Binding = null }, $"there are none for {platform}", "linux-x64, win-x64, osx-arm64");

    [TestMethod]
    public void MuslIsNamedWhateverElseIsWrong() =>
        Says(Complete with { Musl = true, Binding = null, Refusal = "Error loading shared library ld-linux-x86-64.so.2" }, "musl (Alpine Linux)", "glibc");

    [TestMethod]
    [DataRow("GLIBCXX_3.4.30", "libstdc++.so.6", "LD_LIBRARY_PATH")]
    [DataRow("CXXABI_1.3.13", "libstdc++.so.6", "LD_LIBRARY_PATH")]
    [DataRow("GLIBC_2.28", "libc.so.6", "newer system")]
    [DataRow("GLIBCXX_3.4.32", "libstdc++.so.6", "LoraInitOlderLinux=false")]
    public void AnOlderSystemIsNamedWithTheVersionThatItLacks(string version, string library, string advice)
    {
        var refusal = $"Unable to load shared library.\n/lib64/{library}: version `{version}' not found (required by /app/libLibTorchSharp.so)\n";
        Says(Complete with { Refusal = refusal }, $"the {library} of this system is older than {version}", advice);
    }

    [TestMethod]
    public void ALibraryOfTheSystemIsNamed() =>
        Says(Complete with { Refusal = "Unable to load.\nlibgomp.so.1: cannot open shared object file: No such file or directory" }, "'libgomp.so.1' is not on this system");

    [TestMethod]
    public void OnWindowsTheRedistributableIsNamed() =>
        Says(Complete with { Platform = "win-x64", Refusal = "The specified module could not be found. (0x8007007E)" }, "Visual C++ Redistributable for x64", "0x8007007E");

    [TestMethod]
    public void AnyOtherReasonIsPassedOn() => Says(Complete with { Refusal = "wrong ELF class: ELFCLASS32" }, "wrong ELF class: ELFCLASS32");

    [TestMethod]
    public void LibrariesThatCanBeLoadedAreOfAnotherVersion() => Says(Complete, "'/app/libLibTorchSharp.so' can be loaded", "of another version");

    [TestMethod]
    public void TheFactsOfThisProcessNameTheFilesInUse()
    {
        NativeLibraries.Require();
        var facts = NativeLibraryFacts.Gather();

        Assert.IsTrue(File.Exists(facts.Binding) && File.Exists(facts.Libtorch), string.Join(", ", facts.Folders));
        Assert.IsNull(facts.Refusal);
        Assert.AreEqual(SupportedTorchSharp.Loaded, facts.TorchSharp);
    }

    private static void Says(NativeLibraryFacts facts, params string[] parts)
    {
        var message = NativeLibraryDiagnosis.Explain(facts);
        StringAssert.StartsWith(message, "TorchSharp 0.107.0 cannot load its native libraries: ");
        foreach (var part in parts)
            StringAssert.Contains(message, part);
    }
}
