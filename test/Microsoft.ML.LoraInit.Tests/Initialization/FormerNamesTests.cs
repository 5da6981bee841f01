using System.Reflection;

namespace Microsoft.ML.LoraInit.Tests.Initialization;

/// <summary>Code written for version 0.1.0 compiles, with warnings, and makes the same strategies.</summary>
[TestClass]
public sealed class FormerNamesTests
{
    private static readonly Type[] Types =
        [.. typeof(LoraInitialization).Assembly.GetExportedTypes().Where(t => t.Name.EndsWith("Initialization", StringComparison.Ordinal) && t.IsDefined(typeof(ObsoleteAttribute)))];

    private static readonly MethodInfo[] Factories =
        [.. typeof(LoraInitialization).GetMethods(BindingFlags.Public | BindingFlags.Static).Where(m => m.IsDefined(typeof(ObsoleteAttribute)))];

    [TestMethod]
#pragma warning disable CS0618 // the subject of the test
    public void OldCodeMakesTheSameStrategies()
    {
        Assert.AreEqual(LoraInitialization.Pissa(16), LoraInitialization.PiSSA(iterations: 16));
        Assert.AreEqual(LoraInitialization.Hrp(32, 10, side: HrpSide.B), LoraInitialization.HighRankPreheating(32, 10, side: HrpSide.B));
        LoraInitialization assigned = new LoRAGAInitialization { Form = LoraGaForm.Peft, Gamma = 64, NormClip = true };
        Assert.AreEqual(new LoraGaInitialization { Form = LoraGaForm.Peft, Gamma = 64, NormClip = true }, assigned);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new PiSSAInitialization { Iterations = -1 });
    }
#pragma warning restore CS0618

    [TestMethod]
    public void EveryFormerFactoryMakesWhatTheNewOneMakes()
    {
        Assert.HasCount(16, Factories);
        foreach (var former in Factories)
        {
            var now = typeof(LoraInitialization).GetMethod(Replacement(former))!;
            Assert.AreEqual(Made(now), Made(former), former.Name);
            Assert.AreEqual(Shape(now), Shape(former));
        }

        static object? Made(MethodInfo factory) => factory.Invoke(null, [.. factory.GetParameters().Select(p => p.DefaultValue)]);
        static string Shape(MethodInfo factory) => string.Join(", ", factory.GetParameters().Select(p => $"{p} = {p.DefaultValue}"));
    }

    [TestMethod]
    public void EveryFormerTypeHasTheSettingsOfTheNewOne()
    {
        Assert.HasCount(14, Types);
        foreach (var former in Types)
        {
            var now = typeof(LoraInitialization).Assembly.GetType($"Microsoft.ML.LoraInit.{Replacement(former)}", throwOnError: true)!;
            var converted = former.GetMethod("op_Implicit")!.Invoke(null, [Activator.CreateInstance(former)]);
            Assert.AreEqual(Activator.CreateInstance(now), converted);
            CollectionAssert.AreEquivalent(Settings(now), Settings(former), former.Name);
        }

        static string[] Settings(Type type) => [.. type.GetProperties().Where(p => p.SetMethod is { IsPublic: true }).Select(p => p.ToString()!)];
    }

    // The message says what to use instead.
    private static string Replacement(MemberInfo former)
    {
        var message = former.GetCustomAttribute<ObsoleteAttribute>()!.Message!;
        StringAssert.Matches(message, new(@"^Use \w+\.$"));
        return message[4..^1];
    }
}
