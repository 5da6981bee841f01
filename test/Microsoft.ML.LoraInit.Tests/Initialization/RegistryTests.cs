using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

[TestClass]
public sealed class RegistryTests
{
    [TestMethod]
    public void EveryStrategyOfTheTableIsThere() => CollectionAssert.AreEquivalent(
        "kaiming gaussian init-b nonzero orthogonal inilora inilora-alpha inilora-beta pissa milora olora mica loftq eva corda lora-ga lora-one nora nlora hrp cntlora".Split(' '),
        LoraInitialization.Names.ToArray());

    [TestMethod]
    public void EveryStrategyComesBackFromItsNameAndItsJson()
    {
        foreach (var strategy in InitializationRegistry.All)
        {
            Assert.AreEqual(strategy, LoraInitialization.Parse(strategy.Name));
            Assert.AreEqual(strategy, LoraInitialization.Parse(strategy.Name.ToUpperInvariant()));
            var json = InitializationRegistry.ToJson(strategy);
            Assert.AreEqual(strategy.Name, (string?)json["name"]);
            Assert.IsFalse(json.ContainsKey("family") || json.ContainsKey("needs"), json.ToJsonString());
            Assert.AreEqual(strategy, InitializationRegistry.FromJson(JsonNode.Parse(json.ToJsonString())!.AsObject()));
        }
    }

    [TestMethod]
    public void SettingsComeBackFromJson()
    {
        LoraInitialization[] strategies =
        [
            LoraInitialization.NonZero(0.5, 2, true), LoraInitialization.IniLoRA(500, true, "/tmp/x y"), LoraInitialization.IniLoRAAlpha(0.1),
            LoraInitialization.IniLoRABeta(KaimingDistribution.Uniform), LoraInitialization.PiSSA(16), LoraInitialization.LoftQ(5, false),
            LoraInitialization.EVA(1, 0.9, true, false, 4), LoraInitialization.CorDA(CordaMode.Kpm, 2, 3),
            LoraInitialization.LoRAGA(LoraGaForm.Peft, LoraGaDirection.A2rBr, LoraGaScale.WeightSvd, 64, 1, 2), LoraInitialization.LoRAOne(16, false, 1, 2),
            LoraInitialization.NoRA(0.1), LoraInitialization.NLoRA(true, true), LoraInitialization.HighRankPreheating(32, 10, 1e-4, 8, HrpSide.B),
            LoraInitialization.CNTLoRA(false, 0.5, 1, 8, 2),
        ];
        foreach (var strategy in strategies)
        {
            Assert.AreNotEqual(LoraInitialization.Parse(strategy.Name), strategy, "The settings must not be the defaults.");
            Assert.AreEqual(strategy, InitializationRegistry.FromJson(JsonNode.Parse(InitializationRegistry.ToJson(strategy).ToJsonString())!.AsObject()));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Texts))]
    public void TextBecomesSettings(string text, LoraInitialization expected) => Assert.AreEqual(expected, LoraInitialization.Parse(text));

    private static IEnumerable<object[]> Texts =>
    [
        ["pissa:iterations=16", LoraInitialization.PiSSA(iterations: 16)],
        ["hrp:rank=64,steps=100", LoraInitialization.HighRankPreheating(64, 100)],
        ["lora-ga:form=peft,direction=ArBr,scale=gd-scale", LoraInitialization.LoRAGA(LoraGaForm.Peft, LoraGaDirection.ArBr, LoraGaScale.GdScale)],
        ["lora-ga:direction=random,batch-size=2", LoraInitialization.LoRAGA(direction: LoraGaDirection.Random, batchSize: 2)],
        ["corda:mode=kpm", LoraInitialization.CorDA(CordaMode.Kpm)],
        ["inilora:steps=10,sigma=0.02,cache-folder=/tmp/a", new IniLoRAInitialization { Steps = 10, Sigma = 0.02, CacheFolder = "/tmp/a" }],
        ["nlora:train-only-n=true", LoraInitialization.NLoRA(trainOnlyN: true)],
        ["eva:rho=1, tau=0.5", LoraInitialization.EVA(1, 0.5)],
    ];

    [TestMethod]
    [DataRow("pisa", "pissa")]
    [DataRow("pissa:iteration=1", "iterations")]
    [DataRow("pissa:iterations=many", "pissa")]
    [DataRow("pissa:iterations", "setting=value")]
    [DataRow("kaiming:a=1", "no settings")]
    [DataRow("lora-ga:form=mine", "lora-ga")]
    public void WrongTextIsRefusedWithWhatThereIs(string text, string mention)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => LoraInitialization.Parse(text));
        StringAssert.Contains(error.Message, mention);
    }

    [TestMethod]
    [DataRow("pissa:iterations=-1", "iterations")]
    [DataRow("nonzero:scaleA=0", "scaleA")]
    [DataRow("inilora:steps=0", "steps")]
    [DataRow("inilora:sigma=-1", "sigma")]
    [DataRow("inilora-alpha:deviation=0", "deviation")]
    [DataRow("loftq:iterations=0", "iterations")]
    [DataRow("eva:rho=0.5", "rho")]
    [DataRow("eva:tau=1.5", "tau")]
    [DataRow("corda:batches=0", "batches")]
    [DataRow("lora-ga:gamma=0", "gamma")]
    [DataRow("lora-one:gamma=-2", "gamma")]
    [DataRow("nora:scale=0", "scale")]
    [DataRow("hrp:rank=0", "rank")]
    [DataRow("hrp:learning-rate=0", "learningRate")]
    [DataRow("cntlora:strength=0", "strength")]
    [DataRow("cntlora:strength=1.1", "strength")]
    public void SettingsOutOfRangeAreRefusedByName(string text, string setting)
    {
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LoraInitialization.Parse(text));
        StringAssert.Contains(error.Message, $"'{setting}'");
    }

    [TestMethod]
    public void SettingsAreCheckedInFactoriesAndCopiesToo()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LoraInitialization.PiSSA(-1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => { _ = new PiSSAInitialization() with { Iterations = -1 }; });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LoraInitialization.CorDA((CordaMode)7));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LoraInitialization.NonZero(double.NaN));
    }

    [TestMethod]
    [DataRow("pissa", 48, 16, 32)]
    [DataRow("milora", 48, 32, 16)]
    [DataRow("olora", 48, 32, 32)]
    [DataRow("mica", 48, 32, 32)]
    [DataRow("inilora", 48, 32, 32)]
    [DataRow("loftq", 48, 32, 32)]
    [DataRow("corda", 48, 32, 32)]
    [DataRow("lora-one", 48, 32, 32)]
    [DataRow("nlora", 48, 32, 32)]
    [DataRow("lora-ga", 24, 32, 32)]
    [DataRow("eva", 24, 64, 32)]
    [DataRow("cntlora", 24, 32, 32)]
    [DataRow("hrp:rank=64", 8, 32, 32)]
    [DataRow("hrp:rank=4", 8, 32, 32)]
    [DataRow("orthogonal", 7, 32, 32)]
    public void ALayerThatDoesNotFitIsRefusedByName(string text, int rank, int outFeatures, int inFeatures)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() =>
            LoraInitialization.Parse(text).Validate(FakeContext.Target("encoder.layer.3.query", outFeatures, inFeatures, rank)));
        StringAssert.Contains(error.Message, "encoder.layer.3.query");
        StringAssert.Contains(error.Message, rank.ToString());
    }
}
