using Microsoft.ML.LoraInit.Checkpoints.Hub;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

[TestClass]
public sealed class HubSettingsTests
{
    private static readonly string Home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    [TestMethod]
    public void TheDefaultsAreThoseOfPython()
    {
        var settings = Resolve(new HubOptions());
        Assert.AreEqual("https://huggingface.co/", settings.Endpoint.ToString());
        Assert.AreEqual(Path.Combine(Home, ".cache", "huggingface", "hub"), settings.CacheDirectory);
        Assert.AreEqual("main", settings.Revision);
        Assert.IsNull(settings.Token);
        Assert.IsFalse(settings.Offline);
    }

    [TestMethod]
    public void TheEnvironmentIsHonoured()
    {
        var settings = Resolve(new HubOptions(), ("HF_HOME", "~/hf"), ("HF_ENDPOINT", "https://mirror.example/"), ("HF_TOKEN", " hf_x "), ("HF_HUB_OFFLINE", "1"));
        Assert.AreEqual("https://mirror.example/", settings.Endpoint.ToString());
        Assert.AreEqual(Path.Combine(Home, "hf", "hub"), settings.CacheDirectory);
        Assert.AreEqual("hf_x", settings.Token);
        Assert.IsTrue(settings.Offline);
        Assert.AreEqual(Path.GetFullPath("/cache"), Resolve(new HubOptions(), ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")).CacheDirectory);
        Assert.AreEqual(Path.GetFullPath("/xdg/huggingface/hub"), Resolve(new HubOptions(), ("XDG_CACHE_HOME", "/xdg")).CacheDirectory);
    }

    [TestMethod]
    [DataRow("1", true)]
    [DataRow("true", true)]
    [DataRow("YES", true)]
    [DataRow("on", true)]
    [DataRow("0", false)]
    [DataRow("", false)]
    [DataRow("false", false)]
    public void OfflineIsReadAsPythonReadsIt(string value, bool expected) =>
        Assert.AreEqual(expected, Resolve(new HubOptions(), ("HF_HUB_OFFLINE", value)).Offline);

    [TestMethod]
    public void OptionsComeBeforeTheEnvironment()
    {
        var options = new HubOptions { Endpoint = new Uri("http://127.0.0.1:1"), CacheDirectory = "/mine", Token = "hf_mine", Offline = false };
        var settings = Resolve(options, ("HF_HOME", "/hf"), ("HF_ENDPOINT", "https://mirror.example"), ("HF_TOKEN", "hf_x"), ("HF_HUB_OFFLINE", "1"));
        Assert.AreEqual("http://127.0.0.1:1/", settings.Endpoint.ToString());
        Assert.AreEqual(Path.GetFullPath("/mine"), settings.CacheDirectory);
        Assert.AreEqual("hf_mine", settings.Token);
        Assert.IsFalse(settings.Offline);
    }

    [TestMethod]
    [DataRow("ftp://x")]
    [DataRow("huggingface.co")]
    public void AnUnusableEndpointIsNamed(string endpoint)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Resolve(new HubOptions(), ("HF_ENDPOINT", endpoint)));
        StringAssert.Contains(error.Message, $"HF_ENDPOINT is '{endpoint}'");
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("../main")]
    [DataRow("/main")]
    [DataRow("a//b")]
    [DataRow("a\\b")]
    public void AnUnusableRevisionIsNamed(string revision)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Resolve(new HubOptions { Revision = revision }));
        StringAssert.Contains(error.Message, "HubOptions.Revision");
    }

    [TestMethod]
    public void ATokenWithALineBreakIsRefusedAndNotShown()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Resolve(new HubOptions { Token = "hf_a\r\nX-Other: 1" }));
        Assert.IsFalse(error.Message.Contains("hf_a", StringComparison.Ordinal));
    }

    private static HubSettings Resolve(HubOptions options, params (string Name, string Value)[] environment) =>
        HubSettings.Resolve(options, name => environment.FirstOrDefault(e => e.Name == name).Value);
}
