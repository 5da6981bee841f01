using System.Text.Json.Nodes;
using Microsoft.ML.LoraInit.Initialization;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

[TestClass]
public sealed class RegistryTests
{
    [TestMethod]
    public void EveryStrategyOfTheTableIsThere() => CollectionAssert.AreEquivalent(
        "kaiming gaussian init-b nonzero orthogonal inilora inilora-alpha inilora-beta inilora-random pissa loram milora olora mica loftq cloq eva corda lora-null astra lora-ga lora-one nora nlora slora lora-xs lora-sb hrp cntlora".Split(' '),
        InitializationRegistry.BuiltIn.Select(s => s.Name).ToArray());

    [TestMethod]
    public void EveryStrategyComesBackFromItsNameAndItsJson()
    {
        foreach (var strategy in InitializationRegistry.BuiltIn)
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
    [DataRow("hrp:steps=x", "The setting 'steps' of the initialisation 'hrp' is 'x'; it must be a whole number.")]
    [DataRow("hrp:side=q", "The setting 'side' of the initialisation 'hrp' is 'q'; it must be a or b.")]
    public void AValueOfTheWrongKindIsSaidInWords(string text, string message) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => LoraInitialization.Parse(text)).Message, message);

    [TestMethod]
    public void AMethodsValueOfTheWrongKindToo() =>
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => FineTuningMethod.Parse("adalora:target=x")).Message,
            "The setting 'target' of the method 'adalora' is 'x'; it must be a whole number, or null for none.");

    [TestMethod]
    public void SettingsComeBackFromJson()
    {
        LoraInitialization[] strategies =
        [
            LoraInitialization.NonZero(0.5, 2, true), LoraInitialization.IniLora(500, true, "/tmp/x y"), LoraInitialization.IniLoraAlpha(0.1),
            LoraInitialization.IniLoraBeta(KaimingDistribution.Uniform), LoraInitialization.Pissa(16), LoraInitialization.Loftq(5, true),
            LoraInitialization.Eva(1, 0.9, true, false, 4), LoraInitialization.Corda(CordaMode.Kpm, 2, 3), LoraInitialization.IniLora(fitSeed: null),
            LoraInitialization.Milora(MiloraSegment.Random), LoraInitialization.IniLoraRandom(IniLoraDistribution.XavierNormal), LoraInitialization.Loram(false),
            LoraInitialization.LoraXs(0, 4), LoraInitialization.LoraSb(1e-3, 2, 3), LoraInitialization.Astra(AstraEnd.Smallest, 2, 3),
            LoraInitialization.LoraNull(true, 2, 3), LoraInitialization.Cloq(true, 2, 3), LoraInitialization.Nora(1, NoraSide.B, 0.5),
            LoraInitialization.LoraGa(LoraGaForm.Peft, LoraGaDirection.A2rBr, LoraGaScale.WeightSvd, 64, 1, 2), LoraInitialization.LoraOne(16, false, 1, 2),
            LoraInitialization.Nora(0.1), LoraInitialization.Nlora(true, true), LoraInitialization.Hrp(32, 10, 1e-4, 8, HrpSide.B),
            LoraInitialization.Cntlora(false, 0.5, 1, 8, 2),
        ];
        foreach (var strategy in strategies)
        {
            Assert.AreNotEqual(LoraInitialization.Parse(strategy.Name), strategy, "The settings must not be the defaults.");
            Assert.AreEqual(strategy, InitializationRegistry.FromJson(JsonNode.Parse(InitializationRegistry.ToJson(strategy).ToJsonString())!.AsObject()));
        }
    }

    // What version 0.1.0 stored, and what it meant.
    [TestMethod]
    [DataRow("""{"name":"nora","scale":1}""", "nora:side=b")]
    [DataRow("""{"name":"nora","scale":0.5}""", "nora:side=b,scale=0.5")]
    [DataRow("""{"name":"inilora","steps":20000,"learningRate":0.0005,"sigma":null,"exact":false,"absorbScaling":true,"cacheFolder":null}""", "inilora:fitSeed=null")]
    [DataRow("""{"name":"loftq","iterations":1,"doubleQuantization":true}""", "loftq:doubleQuantization=true")]
    [DataRow("""{"name":"eva","rho":2,"tau":0.99,"whiten":false,"adjustScaling":true,"batchSize":32}""", "eva:settling=all,passes=1")]
    [DataRow("""{"name":"corda","mode":"ipm","batchSize":32,"batches":8,"damping":0,"normalize":false}""", "corda:damping=0,normalize=false,divisor=tokens")]
    [DataRow("""{"name":"lora-ga","form":"authors","direction":"ArB2r","scale":"stable","gamma":16,"iterations":0,"batchSize":8,"batches":16}""", "lora-ga:dropout=false,normClip=false")]
    [DataRow("""{"name":"lora-one","gamma":128,"normalize":true,"iterations":0,"batchSize":8,"batches":16}""", "lora-one:batches=16")]
    [DataRow("""{"name":"milora"}""", "milora:segment=min")]
    [DataRow("""{"name":"kaiming"}""", "kaiming")]
    public void ASettingThatAnOldFileLacksIsWhatWasDoneThen(string stored, string meant) =>
        Assert.AreEqual(LoraInitialization.Parse(meant), InitializationRegistry.FromJson(JsonNode.Parse(stored)!.AsObject()));

    [TestMethod]
    public void ASettingThatTextLacksIsTodaysDefault()
    {
        Assert.AreEqual(NoraSide.A, ((NoraInitialization)LoraInitialization.Parse("nora:scale=2")).Side);
        Assert.AreEqual(0, ((IniLoraInitialization)LoraInitialization.Parse("inilora:steps=10")).FitSeed);
        Assert.IsFalse(((LoftqInitialization)LoraInitialization.Parse("loftq:iterations=2")).DoubleQuantization);
    }

    [TestMethod]
    public void OnlyTheExperimentalStrategyIsLeftOutOfThePublished() => CollectionAssert.AreEqual(
        new[] { "cntlora" }, InitializationRegistry.BuiltIn.Select(s => s.Name).Except(InitializationRegistry.Published.Select(s => s.Name)).ToArray());

    [TestMethod]
    [DynamicData(nameof(Texts))]
    public void TextBecomesSettings(string text, LoraInitialization expected) => Assert.AreEqual(expected, LoraInitialization.Parse(text));

    private static IEnumerable<object[]> Texts =>
    [
        ["pissa:iterations=16", LoraInitialization.Pissa(iterations: 16)],
        ["hrp:rank=64,steps=100", LoraInitialization.Hrp(64, 100)],
        ["lora-ga:form=peft,direction=ArBr,scale=gd-scale", LoraInitialization.LoraGa(LoraGaForm.Peft, LoraGaDirection.ArBr, LoraGaScale.GdScale)],
        ["lora-ga:direction=random,batch-size=2", LoraInitialization.LoraGa(direction: LoraGaDirection.Random, batchSize: 2)],
        ["corda:mode=kpm", LoraInitialization.Corda(CordaMode.Kpm)],
        ["inilora:steps=10,sigma=0.02,cache-folder=/tmp/a", new IniLoraInitialization { Steps = 10, Sigma = 0.02, CacheFolder = "/tmp/a" }],
        ["nlora:train-only-n=true", LoraInitialization.Nlora(trainOnlyN: true)],
        ["eva:rho=1, tau=0.5", LoraInitialization.Eva(1, 0.5)],
        ["inilora:steps=0,fit-seed=null,sigma-rule=weights-and-biases", new IniLoraInitialization { Steps = 0, FitSeed = null, SigmaRule = IniLoraSigmaRule.WeightsAndBiases }],
        ["milora:segment=mid", LoraInitialization.Milora(MiloraSegment.Mid)],
        ["lora-ga:norm-clip=true,dropout=true", new LoraGaInitialization { NormClip = true, Dropout = true }],
        ["nora:sigma=0.02", LoraInitialization.Nora(sigma: 0.02)],
        ["astra:end=smallest", LoraInitialization.Astra(AstraEnd.Smallest)],
        ["inilora-random:distribution=xavier-uniform", LoraInitialization.IniLoraRandom(IniLoraDistribution.XavierUniform)],
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
    [DataRow("inilora:steps=-1", "steps")]
    [DataRow("inilora:sigma=-1", "sigma")]
    [DataRow("inilora-alpha:deviation=0", "deviation")]
    [DataRow("loftq:iterations=0", "iterations")]
    [DataRow("eva:rho=0.5", "rho")]
    [DataRow("eva:tau=1.5", "tau")]
    [DataRow("corda:batches=0", "batches")]
    [DataRow("lora-ga:gamma=0", "gamma")]
    [DataRow("lora-one:gamma=-2", "gamma")]
    [DataRow("nora:scale=0", "scale")]
    [DataRow("nora:sigma=0", "sigma")]
    [DataRow("eva:passes=0", "passes")]
    [DataRow("lora-xs:sigma=-1", "sigma")]
    [DataRow("lora-sb:stepSize=0", "stepSize")]
    [DataRow("astra:batches=0", "batches")]
    [DataRow("lora-null:batchSize=0", "batchSize")]
    [DataRow("cloq:damping=0", "damping")]
    [DataRow("hrp:rank=0", "rank")]
    [DataRow("hrp:learning-rate=0", "learning-rate")]
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
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LoraInitialization.Pissa(-1));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => { _ = new PissaInitialization() with { Iterations = -1 }; });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => LoraInitialization.Corda((CordaMode)7));
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
    [DataRow("loram", 1, 32, 32)]
    [DataRow("loram", 48, 32, 32)]
    [DataRow("lora-xs", 48, 32, 32)]
    [DataRow("lora-sb", 48, 32, 32)]
    [DataRow("lora-null", 48, 32, 32)]
    [DataRow("astra", 48, 32, 32)]
    [DataRow("cloq", 48, 32, 32)]
    [DataRow("inilora-random:distribution=orthogonal", 48, 32, 32)]
    public void ALayerThatDoesNotFitIsRefusedByName(string text, int rank, int outFeatures, int inFeatures)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() =>
            LoraInitialization.Parse(text).Validate(FakeContext.Target("encoder.layer.3.query", outFeatures, inFeatures, rank)));
        StringAssert.Contains(error.Message, "encoder.layer.3.query");
        StringAssert.Contains(error.Message, rank.ToString());
    }
}
